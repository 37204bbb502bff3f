/** Flow control of the diff relay, per session: a slow console skips frames, nothing queues. */

/** Bytes that may wait in a console's socket before its diff frames are skipped. */
export const RELAY_BUFFER_BYTES = 256 * 1024;
/** Below this the relay flows again; half, so that it does not flap. */
const RELAY_CLEAR_BYTES = RELAY_BUFFER_BYTES / 2;
/** At most four notices a second. */
export const CONGESTION_NOTICE_MS = 250;

export interface RelayFlow {
  /** Frame whose remaining messages are skipped too, or null. */
  readonly skippingFrame: number | null;
  readonly skippedFrames: number;
  readonly congested: boolean;
  /** What the agent was last told, and when. */
  readonly told: boolean;
  readonly toldAtMs: number | null;
}

export const newRelayFlow: RelayFlow = {
  skippingFrame: null,
  skippedFrames: 0,
  congested: false,
  told: false,
  toldAtMs: null,
};

export interface RelayDecision {
  readonly flow: RelayFlow;
  readonly forward: boolean;
  /** The agent is told once per skipped frame. */
  readonly notifySkipped: boolean;
  /** RELAY_CONGESTION is due. */
  readonly notifyCongestion: boolean;
}

/** Decides one diff message by what waits in the console's socket. */
export function relayDiff(
  flow: RelayFlow,
  message: { readonly frame: number; readonly last: boolean; readonly bufferedBytes: number },
  now: number,
): RelayDecision {
  const { frame, last, bufferedBytes } = message;
  const again = flow.skippingFrame === frame;
  const skip = again || bufferedBytes > RELAY_BUFFER_BYTES;
  const congested = skip || (flow.congested && bufferedBytes > RELAY_CLEAR_BYTES);
  const notifyCongestion = congested !== flow.told &&
    (flow.toldAtMs === null || now - flow.toldAtMs >= CONGESTION_NOTICE_MS);
  return {
    flow: {
      skippingFrame: skip && !last ? frame : null,
      skippedFrames: flow.skippedFrames + (skip && !again ? 1 : 0),
      congested,
      told: notifyCongestion ? congested : flow.told,
      toldAtMs: notifyCongestion ? now : flow.toldAtMs,
    },
    forward: !skip,
    notifySkipped: skip && !again,
    notifyCongestion,
  };
}
