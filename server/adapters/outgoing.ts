/** What leaves with a decision, for a store whose mail needs no numbers. */
import { type Bus, linkTopic, type Outgoing } from "../core/ports.ts";

export const publishOutgoing = (bus: Bus, out: Outgoing): Promise<void> =>
  out.kind === "mail"
    ? bus.publish(linkTopic(out.linkId), { draft: out.draft })
    : bus.publish(out.topic, out.message);
