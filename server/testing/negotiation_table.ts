/**
 * The negotiation, row by row: what the controller does with each event in each stage, illegal
 * ones included. One table feeds the test and docs/negotiation.md.
 */
import { on } from "./controller_driver.ts";
import { ENDINGS } from "./negotiation_endings.ts";
import { type Group, row } from "./negotiation_rows.ts";
import { CAPS, sampleSdp } from "./samples.ts";

const NO_WEBRTC = { ...CAPS, transports: ["diff"] as const } as unknown as typeof CAPS;
const RESIZED = { ...CAPS, displays: [{ ...CAPS.displays[0], width: 1920, height: 1080 }] };
const OTHER_CODEC = { ...CAPS, encoders: [{ ...CAPS.encoders[0], codec: "vp8" as const }] };
const VIEW_ONLY = { ...CAPS, policy: { ...CAPS.policy, viewOnly: true } };
const SECOND = "99999999-9999-4999-8999-999999999999";

/** Every row of the negotiation. */
export const NEGOTIATION: readonly Group[] = [
  {
    title: "Request and decision",
    text: "One desktop takes several consoles; each has a session of its own with its own " +
      "generation, buffers and transport, and nothing that one says touches another.",
    rows: [
      row(
        "same request again",
        "A request is known by its id and operator, so a repeat is answered with the same session.",
        () => on.request(),
        "=*9 requested*2",
      ),
      row(
        "another console",
        "A second console gets a second session.",
        () => on.request(SECOND, SECOND),
        "=*11",
      ),
      row(
        "attach",
        "The operator's own console takes the session over.",
        () => on.attach(),
        "=*9 !session-not-found*2",
      ),
      row(
        "attach by stranger",
        "Another operator may not.",
        () => on.attach("other"),
        "!forbidden*9 !session-not-found*2",
      ),
      row(
        "attach by a second console",
        "A session is shown by one console at a time.",
        () => on.attach("op", "other-link"),
        "!out-of-state*9 !session-not-found*2",
      ),
      row(
        "decision accept",
        "Only the first decision counts.",
        () => on.decision("accept"),
        "approved !duplicate*8 !session-ended*2",
      ),
      row(
        "decision deny",
        "The session is over.",
        () => on.decision("deny"),
        "failed !duplicate*8 !session-ended*2",
      ),
      row(
        "decision timeout",
        "The agent's owner did not answer its question; a late one changes nothing.",
        () => on.decision("timeout"),
        "failed !duplicate*8 !session-ended*2",
      ),
    ],
  },
  {
    title: "Offers",
    text: "The console offers, the agent answers; so two offers can never cross. A generation is " +
      "offered once: what comes again, late or from the wrong side is refused and changes nothing.",
    rows: [
      row(
        "offer old",
        "An offer that was overtaken by a newer one.",
        (g) => on.offer(Math.max(1, g - 1)),
        "!out-of-state offered !duplicate*5 !stale-generation !duplicate !session-ended*2",
      ),
      row(
        "offer same",
        "A duplicate, or a collision of two tabs of one console: the first one counts.",
        (g) => on.offer(g),
        "!out-of-state offered !duplicate*7 !session-ended*2",
      ),
      row(
        "offer next",
        "A restart by the console: a new peer connection with the next generation.",
        (g) => on.offer(g + 1),
        "!out-of-state offered restarting*5 = restarting !session-ended*2",
      ),
      row(
        "offer by agent",
        "A collision: the agent never offers.",
        () => on.signal("agent", { kind: "offer", generation: 9, sdp: sampleSdp() }),
        "!out-of-state !wrong-direction*8 !session-ended*2",
      ),
      row(
        "offer broken",
        "A description that fails the checks reaches nobody.",
        (g) => on.offer(g + 1, "v=0"),
        "!out-of-state !sdp-invalid*8 !session-ended*2",
      ),
      row(
        "offer of a codec the desktop has not",
        "The offer is compared with DESKTOP_CAPS.",
        (g) => on.offer(g + 1, sampleSdp({ codecs: ["AV1"] })),
        "!out-of-state !caps-mismatch*8 !session-ended*2",
      ),
      row(
        "offers in a row",
        "Eleven offers at once: the session's budget of ten is used up.",
        (g) => Array.from({ length: 11 }, (_, i) => on.offer(g + 1 + i)),
        "!out-of-state !rate-limited*8 !session-ended*2",
      ),
      row(
        "offers without end",
        "The limit of attempts, here three, counts from the last connection; the diff relay is left.",
        (g) => Array.from({ length: 4 }, (_, i) => on.offer(g + 1 + i)),
        "!out-of-state !retries-exhausted*8 !session-ended*2",
        { policy: { maxRetries: 3 } },
      ),
    ],
  },
  {
    title: "Answers",
    text: "An answer is taken once, for the newest offer only.",
    rows: [
      row(
        "answer old",
        "An answer to an offer that is no longer the newest.",
        (g) => on.answer(Math.max(1, g - 1)),
        "!out-of-state*2 answered !duplicate*4 !stale-generation !duplicate !session-ended*2",
      ),
      row(
        "answer current",
        "",
        (g) => on.answer(g),
        "!out-of-state*2 answered !duplicate*4 answered !duplicate !session-ended*2",
      ),
      row(
        "answer twice",
        "The first one counts.",
        (g) => [on.answer(g), on.answer(g)],
        "!out-of-state*2 !duplicate*7 !session-ended*2",
      ),
      row(
        "answer next",
        "An answer to an offer that nobody made.",
        (g) => on.answer(g + 1),
        "!out-of-state*9 !session-ended*2",
      ),
      row(
        "answer by console",
        "",
        () => on.signal("console", { kind: "answer", generation: 9, sdp: sampleSdp() }),
        "!out-of-state !wrong-direction*8 !session-ended*2",
      ),
    ],
  },
  {
    title: "Candidates",
    text: "A candidate waits until the description it belongs to was delivered, in order and " +
      "within bounds. Nothing follows the end mark of its generation (RFC 8838 section 13).",
    rows: [
      row(
        "candidate of console",
        "",
        (g) => on.candidate("console", g),
        "!out-of-state =*8 !session-ended*2",
      ),
      row(
        "candidate of agent",
        "",
        (g) => on.candidate("agent", g),
        "!out-of-state*2 =*7 !session-ended*2",
      ),
      row(
        "candidate twice",
        "",
        (g) => [on.candidate("console", g), on.candidate("console", g)],
        "!out-of-state !duplicate*8 !session-ended*2",
      ),
      row(
        "candidate early by console",
        "It waits for its offer.",
        (g) => on.candidate("console", g + 1),
        "!out-of-state =*8 !session-ended*2",
      ),
      row(
        "candidate early by agent",
        "The agent cannot be ahead of the console's offer.",
        (g) => on.candidate("agent", g + 1),
        "!out-of-state*9 !session-ended*2",
      ),
      row(
        "candidate old",
        "",
        (g) => on.candidate("console", Math.max(1, g - 1)),
        "!out-of-state =*6 !stale-generation = !session-ended*2",
      ),
      row(
        "candidate broken",
        "",
        (g) =>
          on.signal("console", {
            kind: "ice-candidate",
            generation: g,
            candidate: "candidate:nonsense",
            sdpMid: "0",
            sdpMLineIndex: 0,
          }),
        "!out-of-state !candidate-invalid*8 !session-ended*2",
      ),
      row("ice-end", "", (g) => on.iceEnd("console", g), "!out-of-state =*8 !session-ended*2"),
      row(
        "ice-end twice",
        "",
        (g) => [on.iceEnd("console", g), on.iceEnd("console", g)],
        "!out-of-state !duplicate*8 !session-ended*2",
      ),
      row(
        "ice-end of agent",
        "",
        (g) => on.iceEnd("agent", g),
        "!out-of-state*2 =*7 !session-ended*2",
      ),
      row(
        "candidate of agent after its ice-end",
        "",
        (g) => [on.iceEnd("agent", g), on.candidate("agent", g)],
        "!out-of-state*9 !session-ended*2",
      ),
      row(
        "candidate after ice-end",
        "",
        (g) => [on.iceEnd("console", g), on.candidate("console", g, 40_001)],
        "!out-of-state*9 !session-ended*2",
      ),
      row(
        "candidate after ice-end, early",
        "The same for a generation whose offer is still to come.",
        (g) => [on.iceEnd("console", g + 1), on.candidate("console", g + 1)],
        "!out-of-state*9 !session-ended*2",
      ),
    ],
  },
  {
    title: "Restart by either side",
    text: "The console restarts by its next offer. The agent asks it to, for the generation that " +
      "it gave up. On the diff relay the picture goes on meanwhile.",
    rows: [
      row(
        "restart by agent",
        "",
        (g) => on.restart("agent", g),
        "!out-of-state*2 restarting*5 =*2 !session-ended*2",
      ),
      row(
        "restart by console",
        "The agent may drop its peer before the next offer comes.",
        (g) => on.restart("console", g),
        "!out-of-state*2 restarting*5 =*2 !session-ended*2",
      ),
      row(
        "restart of an old generation",
        "It was restarted already.",
        (g) => on.restart("agent", Math.max(1, g - 1)),
        "!out-of-state*2 restarting*5 !stale-generation = !session-ended*2",
      ),
      row(
        "restart unknown",
        "",
        (g) => on.restart("agent", g + 1),
        "!out-of-state*9 !session-ended*2",
      ),
      row(
        "restart by both",
        "The console's offer answers the agent's wish: one new negotiation, not two.",
        (g) => [on.restart("agent", g), on.offer(g + 1)],
        "!out-of-state offered restarting*5 = restarting !session-ended*2",
      ),
    ],
  },
  {
    title: "What the peers report",
    text: "PEER_STATE of both ends drives connecting, connected and degraded.",
    rows: [
      row(
        "agent connecting",
        "",
        (g) => on.peer("agent", "connecting", g),
        "!out-of-state*2 = connecting =*7",
      ),
      row(
        "console connected",
        "A connection that stands gives the session its attempts back.",
        (g) => on.peer("console", "connected", g),
        "!out-of-state*2 = connected*2 = connected = connected =*2",
      ),
      row(
        "console disconnected",
        "",
        (g) => on.peer("console", "disconnected", g),
        "!out-of-state*2 degraded*4 = degraded =*3",
      ),
      row(
        "console connecting",
        "",
        (g) => on.peer("console", "connecting", g),
        "!out-of-state*2 = connecting =*7",
      ),
      row(
        "agent disconnected",
        "",
        (g) => on.peer("agent", "disconnected", g),
        "!out-of-state*2 degraded*4 = degraded =*3",
      ),
      row(
        "console failed",
        "",
        (g) => on.peer("console", "failed", g),
        "!out-of-state*2 degraded*4 = degraded =*3",
      ),
      row(
        "console closed",
        "",
        (g) => on.peer("console", "closed", g),
        "!out-of-state*2 degraded*4 = degraded =*3",
      ),
      row(
        "agent failed",
        "",
        (g) => on.peer("agent", "failed", g),
        "!out-of-state*2 degraded*4 = degraded =*3",
      ),
      row(
        "old peer closed",
        "It closes while the new one is made: not worth an error.",
        (g) => on.peer("agent", "closed", Math.max(1, g - 1)),
        "!out-of-state*2 degraded*4 =*5",
      ),
      row("future peer", "", (g) => on.peer("agent", "connected", g + 1), "!out-of-state*9 =*2"),
    ],
  },
  {
    title: "Transports",
    text:
      "The console says what paints; the controller checks it against the policy and the order " +
      "hybrid, rtp, diff-dc, diff-ws.",
    rows: [
      row(
        "fallback to diff-ws",
        "",
        () => on.fallback("rtp", "diff-ws"),
        "!out-of-state fallback*7 = !session-ended*2",
      ),
      row(
        "fallback to diff-dc",
        "",
        () => on.fallback("rtp", "diff-dc"),
        "!out-of-state*3 =*5 connected !session-ended*2",
      ),
      row(
        "fallback upwards",
        "",
        () => on.fallback("diff-ws", "rtp"),
        "!out-of-state*3 !malformed*6 !session-ended*2",
      ),
      row(
        "restored",
        "",
        () => on.restored("diff-ws", "rtp"),
        "!out-of-state*3 =*5 connected !session-ended*2",
      ),
      row(
        "first picture",
        "",
        () => on.restored("none", "rtp", "transport-selected"),
        "!out-of-state*3 =*5 connected !session-ended*2",
      ),
      row(
        "select",
        "",
        () => on.control("console", { op: "select", transport: "diff-ws", epoch: 1 }),
        "!out-of-state =*10",
      ),
      row(
        "selected",
        "The agent streams by what was selected; the stage follows with the picture.",
        () => on.control("agent", { op: "selected", transport: "diff-ws", epoch: 1 }),
        "!out-of-state =*10",
      ),
      row(
        "sound switched on",
        "Told by the agent, for security teams.",
        () => on.choice({ kind: "sound", on: true }),
        "!out-of-state =*10",
      ),
      row(
        "display chosen",
        "",
        () => on.choice({ kind: "display", from: "DP-1", to: "all", reason: "operator-choice" }),
        "!out-of-state =*10",
      ),
    ],
  },
  {
    title: "Abilities that change in mid-session",
    text: "DESKTOP_CAPS again: both ends of each approved session get it, with fresh credentials.",
    rows: [
      row("caps again", "", () => on.caps(), "=*11"),
      row(
        "resize",
        "Another screen size needs no new negotiation: the same track carries it.",
        () => on.caps(RESIZED),
        "=*11",
      ),
      row(
        "encoder change",
        "The offered codec is gone: the console is asked to restart.",
        () => on.caps(OTHER_CODEC),
        "=*2 restarting*5 =*4",
      ),
      row(
        "transports removed",
        "An open negotiation is given up; a connection that stands is the agent's to end.",
        () => on.caps(NO_WEBRTC),
        "=*2 degraded*3 =*2 degraded =*3",
      ),
      row(
        "offer after transports were removed",
        "",
        (g) => [on.caps(NO_WEBRTC), on.offer(g + 1)],
        "!out-of-state !webrtc-disabled*8 !session-ended*2",
      ),
      row(
        "credentials anew",
        "After a jump of the machine's clock whoever has credentials gets fresh ones.",
        () => ({ kind: "reissue" }),
        "=*11",
      ),
      row(
        "policy turns view-only",
        "It binds sessions that were granted control, too.",
        () => on.caps(VIEW_ONLY),
        "=*11",
      ),
    ],
  },
  ...ENDINGS,
];
