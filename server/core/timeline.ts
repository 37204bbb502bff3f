/** A session's history as a picture can show it: steps with cause and duration, and lanes of spans. */
import type { Evidence, LayerState, Reason, Stage, Transport } from "@farglass/protocol";
import type { PeerLayerEvent, SessionEvent } from "./state.ts";

/** One transition. */
export interface TimelineStep {
  /** Unix ms. */
  readonly at: number;
  /** Since the session began. */
  readonly sinceStartMs: number;
  /** Until the next step, or until now; null for the end of a session. */
  readonly durationMs: number | null;
  readonly type: SessionEvent["type"];
  readonly cause: Reason | null;
  readonly stage: Stage | null;
  readonly transport: Transport | null;
  /** Which end's ICE or DTLS changed, and into what. */
  readonly layer: (LayerState & { readonly peer: "agent" | "console" }) | null;
  readonly evidence: Evidence | null;
}

/** A stretch of time in one lane. */
export interface TimelineSpan {
  readonly from: number;
  readonly to: number;
  readonly label: string;
  readonly cause: Reason | null;
}

/** ICE and DTLS have a lane for each end: the two see different moments of the same path. */
export type LaneName =
  | "signalling"
  | "connection"
  | "ice-console"
  | "ice-agent"
  | "dtls-console"
  | "dtls-agent"
  | "first-frame"
  | "transport";

export interface TimelineLane {
  readonly lane: LaneName;
  readonly spans: readonly TimelineSpan[];
}

export interface Timeline {
  readonly startedAt: number;
  /** Null while the session lives. */
  readonly endedAt: number | null;
  /** From the request to the first connection and to the first picture, in ms. */
  readonly connectedMs: number | null;
  readonly firstFrameMs: number | null;
  readonly steps: readonly TimelineStep[];
  /** Steps left out of the middle of a very long history. */
  readonly omittedSteps: number;
  readonly lanes: readonly TimelineLane[];
}

/** What a live and an ended session have in common. */
export interface TimelineSource {
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
  readonly events: readonly SessionEvent[];
  readonly omittedEvents?: number | undefined;
}

const SIGNALLING: readonly Stage[] = ["requested", "approved", "offered", "restarting"];
const CONNECTION: readonly Stage[] = [
  "answered",
  "connecting",
  "connected",
  "degraded",
  "fallback",
];

/** Everything that is known of a session; `now` (Unix ms) closes the spans of a live one. */
export function timelineOf(source: TimelineSource, now: number): Timeline {
  const { createdAtMs, endedAtMs } = source;
  const events = inPlace(source.events);
  const until = endedAtMs ?? Math.max(now, events.at(-1)?.at ?? createdAtMs);
  const connected = events.find((e) =>
    e.type === "DESKTOP_WEBRTC_STATE" && e.stage === "connected"
  );
  const painted = events.find((e) => transportOf(e) !== null && transportOf(e) !== "none");
  const since = (event: SessionEvent | undefined) =>
    event === undefined ? null : Math.max(0, event.at - createdAtMs);
  const firstFrame = painted === undefined
    ? endedAtMs === null ? [{ ...span(createdAtMs, until, "waiting"), cause: null }] : []
    : [{ ...span(createdAtMs, painted.at, "first frame"), cause: causeOf(painted) }];
  return {
    startedAt: createdAtMs,
    endedAt: endedAtMs,
    connectedMs: since(connected),
    firstFrameMs: since(painted),
    steps: events.map((event, i) =>
      stepOf(event, { createdAtMs, next: events[i + 1]?.at ?? until })
    ),
    omittedSteps: source.omittedEvents ?? 0,
    lanes: [
      { lane: "signalling", spans: stageSpans(events, until, SIGNALLING) },
      { lane: "connection", spans: stageSpans(events, until, CONNECTION) },
      ...(["ice", "dtls"] as const).flatMap((layer) =>
        (["console", "agent"] as const).map((peer) => ({
          lane: `${layer}-${peer}` as const,
          spans: layerSpans(events, until, { layer, peer }),
        }))
      ),
      { lane: "first-frame", spans: firstFrame },
      { lane: "transport", spans: transportSpans(events, until) },
    ],
  };
}

/**
 * What the ends tell of ICE and DTLS happened before it was told. Nothing else is moved: the time
 * of a switch is the console's own, so that order says more than time.
 */
function inPlace(events: readonly SessionEvent[]): readonly SessionEvent[] {
  const placed: SessionEvent[] = [];
  for (const event of events) {
    let at = placed.length;
    if (event.type === "PEER_LAYER") { while (at > 0 && placed[at - 1].at > event.at) at--; }
    placed.splice(at, 0, event);
  }
  return placed;
}

const span = (from: number, to: number, label: string) => ({ from, to: Math.max(from, to), label });

function stepOf(
  event: SessionEvent,
  at: { readonly createdAtMs: number; readonly next: number },
): TimelineStep {
  return {
    at: event.at,
    sinceStartMs: Math.max(0, event.at - at.createdAtMs),
    durationMs: event.type === "SESSION_ENDED" ? null : Math.max(0, at.next - event.at),
    type: event.type,
    cause: causeOf(event),
    stage: event.type === "DESKTOP_WEBRTC_STATE" ? event.stage : null,
    transport: transportOf(event),
    layer: event.type === "PEER_LAYER" ? layerOf(event) : null,
    evidence: "evidence" in event ? event.evidence : null,
  };
}

const causeOf = (event: SessionEvent): Reason | null => "reason" in event ? event.reason : null;

/** What is on the screen after the event, where it says so. */
function transportOf(event: SessionEvent): Transport | null {
  if (event.type === "DESKTOP_WEBRTC_STATE") return event.transport;
  const change = event.type === "DESKTOP_TRANSPORT_FALLBACK" ||
    event.type === "DESKTOP_TRANSPORT_RESTORED";
  return change ? event.to : null;
}

/** Stretches of the stages of one lane; other stages end them. */
function stageSpans(
  events: readonly SessionEvent[],
  until: number,
  stages: readonly Stage[],
): readonly TimelineSpan[] {
  const changes = events.flatMap((e) =>
    e.type === "DESKTOP_WEBRTC_STATE" && e.stage !== e.previous
      ? [{ at: e.at, label: e.stage as string, cause: e.reason }]
      : []
  );
  return spansOf(changes, until).filter(({ label }) => stages.some((s) => s === label));
}

const layerOf = ({ peer, layer, state }: PeerLayerEvent) =>
  ({ peer, layer, state }) as NonNullable<TimelineStep["layer"]>;

/** One end's states of one layer; a newer negotiation ends those of the one before. */
function layerSpans(
  events: readonly SessionEvent[],
  until: number,
  of: Pick<PeerLayerEvent, "layer" | "peer">,
): readonly TimelineSpan[] {
  const changes = events.flatMap((e) =>
    e.type === "PEER_LAYER" && e.layer === of.layer && e.peer === of.peer
      ? [{ at: e.at, label: e.state as string, cause: null }]
      : []
  );
  return spansOf(changes, until).filter(({ label }) => label !== "closed");
}

function transportSpans(events: readonly SessionEvent[], until: number): readonly TimelineSpan[] {
  const changes: { at: number; label: string; cause: Reason | null }[] = [];
  for (const event of events) {
    const label = transportOf(event);
    if (label === null || label === (changes.at(-1)?.label ?? "none")) continue;
    changes.push({ at: event.at, label, cause: causeOf(event) });
  }
  return spansOf(changes, until).filter(({ label }) => label !== "none");
}

const spansOf = (
  changes: readonly {
    readonly at: number;
    readonly label: string;
    readonly cause: Reason | null;
  }[],
  until: number,
): readonly TimelineSpan[] =>
  changes.map(({ at, label, cause }, i) => ({
    ...span(at, changes[i + 1]?.at ?? until, label),
    cause,
  }));
