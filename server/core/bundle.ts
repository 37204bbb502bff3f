/** The server's part of a support bundle. */
import { checkCandidate, PROTOCOL_VERSION, SOFTWARE_VERSION } from "@farglass/protocol";
import type { DesktopState, SessionEvent, SessionState } from "./state.ts";
import { timelineOf, type TimelineSource } from "./timeline.ts";

/** A session as the store or the history remembers it. */
export interface BundleSource {
  readonly view: { readonly operator: string } & Readonly<Record<string, unknown>>;
  readonly source: TimelineSource & Partial<Pick<SessionState, "negotiation">>;
  readonly desktop: Pick<DesktopState, "agent" | "caps">;
}

export interface BundleOptions {
  /** Unix ms. */
  readonly now: number;
  /**
   * Null leaves addresses and names out. Else with them, and the address that the bundle was asked
   * from. Descriptions, passwords, tokens and credentials are never in it.
   */
  readonly addresses: { readonly exportedFrom: string | null } | null;
}

const REDACTED = "redacted";
const DECISIONS: ReadonlySet<SessionEvent["type"]> = new Set([
  "SESSION_DECISION",
  "DESKTOP_TRANSPORT_FALLBACK",
  "DESKTOP_TRANSPORT_RESTORED",
]);

/** What a person may hand to support. */
export function bundleOf(
  { view, source, desktop }: BundleSource,
  { now, addresses }: BundleOptions,
): { readonly [key: string]: unknown } {
  const { name, webrtc: _credentials, displays, ...caps } = desktop.caps;
  const named = <T>(value: T) => addresses === null ? REDACTED : value;
  return {
    madeAt: now,
    versions: {
      server: SOFTWARE_VERSION,
      protocol: PROTOCOL_VERSION,
      agent: desktop.agent.software,
      os: desktop.agent.os,
    },
    session: { ...view, operator: named(view.operator) },
    desktop: {
      ...caps,
      name: named(name),
      hostname: named(desktop.agent.hostname),
      displays: displays.map(({ width, height, primary }) => ({ width, height, primary })),
    },
    decisions: source.events.filter((e) => DECISIONS.has(e.type)),
    statistics: source.events.flatMap((e) =>
      "evidence" in e ? [{ at: e.at, reason: e.reason, evidence: e.evidence }] : []
    ),
    timeline: timelineOf(source, now),
    ...(addresses === null ? {} : {
      addresses: {
        ...addresses,
        agentCandidates: candidatesOf(source.negotiation?.fromAgent),
        consoleCandidates: candidatesOf(source.negotiation?.fromConsole),
      },
    }),
  };
}

/** The candidates of a live negotiation without what belongs to the ICE credentials. */
function candidatesOf(marks: readonly (string | null)[] = []) {
  return marks.flatMap((mark) => {
    // A mark is the section's name and the candidate's line.
    const line = mark?.slice(mark.indexOf(" ") + 1) ?? "";
    const checked = checkCandidate(line);
    if (!checked.ok) return [];
    const { type, protocol, address, port } = checked.value;
    return [{ type, protocol, address, port }];
  });
}
