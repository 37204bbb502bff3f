/** Everything that nodes share, on one Redis. */
import { randomUUID } from "node:crypto";
import type { Draft } from "@farglass/protocol";
import {
  type BoxedMail,
  type Bus,
  DESKTOPS_TOPIC,
  type DesktopStore,
  type HistoryLimits,
  linkTopic,
  type Log,
  nodeTopic,
  type OnceStore,
  type OperatorPlaces,
  StoreNewer,
} from "../core/ports.ts";
import { routeOf } from "../core/routes.ts";
import { ROUTES_TOPIC } from "./controller_shell.ts";
import { corruptionReporter, type OnCorrupt } from "./corruption.ts";
import type { ControllerShell } from "./controller_shell.ts";
import type { LinkHub } from "./link_hub.ts";
import { LinkSharing } from "./link_sharing.ts";
import { RedisBatch } from "./redis_batch.ts";
import { RedisBus } from "./redis_bus.ts";
import { type CommandObserver, RedisClient, type RedisSettings } from "./redis_client.ts";
import { RedisLinkStore } from "./redis_links.ts";
import { RedisNodes } from "./redis_nodes.ts";
import { RedisOnceStore } from "./redis_once_store.ts";
import { RedisOperatorPlaces } from "./redis_places.ts";
import { RedisDesktopStore } from "./redis_store.ts";
import type { Relay, RelayRemote } from "./relay.ts";

export interface BackendSettings extends RedisSettings {
  readonly desktopSeconds: number;
  readonly linkSeconds: number;
}

/** What the node does with what it shares. */
export interface BackendUsers {
  readonly hub: LinkHub;
  readonly shell: ControllerShell;
  readonly relay: Relay;
  readonly desktopsChanged: () => void;
  /** What time it is for all nodes, in Unix ms. */
  readonly onTime: (unixMs: number) => void;
}

export interface Backend {
  readonly store: DesktopStore;
  readonly bus: Bus;
  readonly once: OnceStore;
  readonly places: OperatorPlaces;
  readonly sharing: LinkSharing;
  /** For the relay: to links and routes of other nodes. */
  readonly remote: RelayRemote;
  /** A message that may be lost, for a link of another node. */
  post(linkId: string, draft: Draft): void;
  readonly nodeId: string;
  /** Whether one script may write a desktop and its links: not in a Cluster. */
  readonly direct: boolean;
  /** Resolves when Redis is there. */
  whenUp(): Promise<void>;
  /** Commands sent to Redis so far. */
  commands(): number;
  /** Whether Redis is there and takes writes. */
  healthy(): boolean;
  /** Begins to live among the other nodes. */
  join(users: BackendUsers): void;
  /** Says goodbye to the other nodes; they take over what is left. */
  leave(): Promise<void>;
  close(): void;
}

/** Topic that names a desktop whose value was foreign: its agent has to announce it again. */
const LOST_TOPIC = "desktop-lost";

/** Connects; Redis may still be away, and comes when it comes. */
export async function openRedisBackend(
  settings: BackendSettings,
  options: {
    readonly log: Log;
    readonly nodeId: string;
    readonly history: HistoryLimits;
    readonly onCorrupt: OnCorrupt;
    readonly onCommand?: CommandObserver;
    /** A node died, as its lease tells. */
    readonly onNodeLost?: (nodeId: string) => void;
  },
): Promise<Backend> {
  const { log, nodeId } = options;
  const client = await RedisClient.open(settings, log, options.onCommand);
  const onCorrupt = corruptionReporter(log, options.onCorrupt);
  const bus = new RedisBus(client, onCorrupt);
  const linkMs = settings.linkSeconds * 1000;
  const desktopMs = settings.desktopSeconds * 1000;
  // In a Cluster what would share a command is in different slots.
  const writer = settings.cluster.length === 0 ? new RedisBatch(client) : client;
  const store = new RedisDesktopStore({
    ...{ client, writer, bus, log, desktopMs, linkMs, history: options.history, onCorrupt },
    onLost: (desktopId) => {
      bus.publish(LOST_TOPIC, { desktopId }).catch(() => {
        // Redis went away; the next one who reads the key finds it again.
      });
    },
  });
  const links = new RedisLinkStore({ client, writer, nodeId, linkMs, onCorrupt });
  const places = new RedisOperatorPlaces(writer, desktopMs);
  const onChange = (desktopId: string, change: unknown) => store.changed(desktopId, change);
  const topic = nodeTopic(nodeId);
  const sharing = new LinkSharing({ store: links, bus, log, newId: randomUUID, topic, onChange });
  // Links are made only after `join`, and each waits until this is settled.
  let box: (mail: BoxedMail) => void = () => {};
  const stops = [
    bus.subscribe(topic, (list) => {
      for (const one of list as readonly BoxedMail[]) {
        try {
          box(one);
        } catch (error) {
          // It is one link's; the others' mail must not wait until they look for it.
          onCorrupt({ value: "notice", detail: String(error) });
        }
      }
    }),
  ];
  let nodes: RedisNodes | null = null;
  return {
    store,
    bus,
    once: new RedisOnceStore(client),
    places,
    sharing,
    nodeId,
    direct: settings.cluster.length === 0,
    remote: {
      forward: (linkId, bytes) => bus.publishBytes(linkTopic(linkId), bytes),
      findRoute: async (sessionId) => {
        const desktopId = await store.desktopOf(sessionId);
        const stored = desktopId === null ? null : await store.load(desktopId);
        return stored === null ? null : routeOf(stored.desktop, sessionId);
      },
    },
    post(linkId, draft) {
      bus.publish(linkTopic(linkId), { draft }).catch(() => {
        // As the interface says.
      });
    },
    whenUp: () => client.whenUp(),
    commands: () => client.sent,
    healthy: () => client.up && (nodes?.healthy ?? true),
    join(users) {
      nodes = new RedisNodes({
        ...{ client, log, nodeId },
        onGone: (gone, left) => {
          if (!left) options.onNodeLost?.(gone);
          return bury(gone, links, users.shell);
        },
        onRefused: () => users.hub.announceOutage(),
        // The first numbered message tells the consoles that signalling goes on.
        onAccepted: () => users.desktopsChanged(),
        onForgotten: () => sayAgain(users, { links, store, places }),
        onTime: users.onTime,
      });
      const { hub, relay } = users;
      box = (mail) => hub.mail(mail.linkId, mail);
      const everything = () => {
        store.heard(null);
        hub.resync();
        relay.forgetRoutes();
        users.desktopsChanged();
      };
      bus.onGap(everything);
      const refresh = () => {
        keepAlive(hub, { links, store, places }).catch((cause) => {
          log.write("debug", "refresh-failed", { error: String(cause) });
        });
      };
      const timer = setInterval(refresh, Math.min(linkMs, desktopMs) / 4);
      stops.push(
        () => clearInterval(timer),
        client.onDown(() => hub.announceOutage()),
        bus.subscribe(ROUTES_TOPIC, (message) => {
          relay.forgetRoute((message as { sessionId: string }).sessionId);
        }),
        bus.subscribe(DESKTOPS_TOPIC, (message) => store.heard(message)),
        bus.subscribe(LOST_TOPIC, (message) => {
          hub.renew((message as { desktopId: string }).desktopId);
        }),
      );
    },
    async leave() {
      await nodes?.close();
    },
    close() {
      for (const stop of stops) stop();
      bus.close();
      client.close();
    },
  };
}

/** A node died: its links have lost their sockets, and its timers must run elsewhere. */
async function bury(dead: string, links: RedisLinkStore, shell: ControllerShell): Promise<void> {
  for (const linkId of await links.linksOf(dead)) {
    const link = await links.glance(linkId);
    if (link === null || link.node !== dead) continue;
    for (const desktopId of link.desktopIds) {
      await tell(shell, desktopId, { linkId, change: "lost" });
    }
    const now = await links.glance(linkId);
    if (now === null) continue;
    if (now.node === dead) await links.expireSoon(linkId);
    else {
      // It came back elsewhere meanwhile, and that node may have said so before "lost".
      for (const desktopId of now.desktopIds) {
        await tell(shell, desktopId, { linkId, change: "resumed" });
      }
    }
  }
  await links.forgetNode(dead);
  await shell.start();
}

/** A desktop of a newer version is the newer nodes' to look after. */
async function tell(
  shell: ControllerShell,
  desktopId: string,
  about: { readonly linkId: string; readonly change: "lost" | "resumed" },
): Promise<void> {
  await shell.dispatch(desktopId, { kind: "link", ...about }).catch((error) => {
    if (!(error instanceof StoreNewer)) throw error;
  });
}

interface Stores {
  readonly links: RedisLinkStore;
  readonly store: RedisDesktopStore;
  readonly places: RedisOperatorPlaces;
}

/**
 * The others have taken this node for dead: its links are here. Or Redis was emptied: then clients
 * begin anew, for what was known of them is gone.
 */
async function sayAgain({ hub, shell }: BackendUsers, stores: Stores): Promise<void> {
  const lost = new Set(await stores.links.missing(hub.links().map(({ linkId }) => linkId)));
  hub.restart(({ linkId }) => lost.has(linkId), "link-lost");
  await keepAlive(hub, stores);
  for (const { linkId, desktopIds } of hub.links()) {
    if (hub.socketOf(linkId) === null) continue;
    for (const desktopId of desktopIds) {
      await tell(shell, desktopId, { linkId, change: "resumed" });
    }
  }
}

/** Keeps the records of quiet links and desktops. */
async function keepAlive(hub: LinkHub, { links, store, places }: Stores): Promise<void> {
  for (const { linkId, identity, desktopIds } of hub.links()) {
    if (identity.role === "console") await places.touch(identity.operator.operatorId);
    await links.touch(linkId, desktopIds);
    for (const desktopId of desktopIds) await store.touch(desktopId);
  }
}
