/** What the two ends tell of ICE and DTLS, in the session's history. */
import type { LayerChange } from "@farglass/protocol";
import type { PeerLayerEvent, SessionState } from "./state.ts";
import { record, type Work } from "./work.ts";

/** Records the changes of one PEER_STATE of the current generation; a repeat is left out. */
export function recordLayers(
  work: Work,
  session: SessionState,
  report: { readonly peer: "agent" | "console"; readonly changes: readonly LayerChange[] },
): SessionState {
  const { generation, startedAtMs } = session.negotiation;
  const { peer } = report;
  return report.changes.reduce((last, { agoMs, ...change }) => {
    const known = last.events.findLast((e): e is PeerLayerEvent =>
      e.type === "PEER_LAYER" && e.peer === peer && e.generation === generation &&
      e.layer === change.layer
    );
    if (known?.state === change.state) return last;
    // Nothing of a negotiation happened before it began, whatever its end believes.
    const at = Math.round(Math.max(known?.at ?? startedAtMs, work.now - agoMs));
    return record(work, last, { type: "PEER_LAYER", at, peer, generation, ...change });
  }, session);
}
