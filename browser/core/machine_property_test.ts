/// <reference lib="deno.ns" />
import { ok } from "node:assert/strict";
import fc from "fast-check";
import {
  type LayerState,
  type Reason,
  REASON_CODES,
  STAGES,
  type Transport,
} from "@farglass/protocol";
import { caps, ConsoleHarness, DESKTOP_ID, summary } from "../../tests/support/console_harness.ts";
import type { ConsoleEvent, PeerConnectionState } from "./events.ts";
import { nextDeadline } from "./machine.ts";
import { MAX_TIMELINE_ENTRIES } from "./timeline.ts";

type Act = (h: ConsoleHarness) => void;

/** Acts that need a session are left out while there is none. */
const withSession = (act: Act): Act => (h) => {
  if (h.state.session?.sessionId != null && h.state.link.phase.kind === "online") act(h);
};
const online = (act: Act): Act => (h) => {
  if (h.state.link.phase.kind === "online") act(h);
};

const peerId = fc.integer({ min: 0, max: 6 });
const reason = fc.constantFrom<Reason>(...REASON_CODES);
const connection = fc.constantFrom<PeerConnectionState>(
  "new",
  "connecting",
  "connected",
  "disconnected",
  "failed",
  "closed",
);
const channel = fc.constantFrom("control", "input", "motion", "diff");

const events: fc.Arbitrary<ConsoleEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<ConsoleEvent>({ type: "connect", desktopId: DESKTOP_ID }) },
  fc.constant<ConsoleEvent>({ type: "disconnect" }),
  fc.constant<ConsoleEvent>({ type: "retry-now" }),
  fc.constant<ConsoleEvent>({ type: "video-fault" }),
  fc.constantFrom("auto", "video", "diff").map((choice) => ({ type: "choose", choice } as const)),
  fc.boolean().map((viewOnly) => ({ type: "set-view-only", viewOnly } as const)),
  fc.boolean().map((hidden) => ({ type: "visibility", hidden } as const)),
  fc.record({ type: fc.constant("peer-state" as const), peerId, state: connection }),
  fc.record({
    type: fc.constant("peer-layer" as const),
    peerId,
    change: fc.constantFrom<LayerState>(
      { layer: "ice", state: "checking" },
      { layer: "ice", state: "connected" },
      { layer: "dtls", state: "connected" },
    ),
  }),
  fc.record({ type: fc.constant("channel" as const), peerId, channel, open: fc.boolean() }),
  fc.record({ type: fc.constant("peer-error" as const), peerId }),
  fc.record({ type: fc.constant("peer-offer" as const), peerId, sdp: fc.constant("v=0") }),
  fc.record({ type: fc.constant("painted" as const), epoch: fc.integer({ min: 0, max: 12 }) }),
  fc.record({ type: fc.constant("control-text" as const), peerId, text: fc.string() }),
  fc.record({ type: fc.constant("socket-closed" as const), epoch: peerId, code: peerId }),
  fc.record({
    type: fc.constant("diff-stats" as const),
    frames: fc.nat(),
    bytes: fc.nat(),
  }),
);

const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: events.map((event): Act => (h) => h.do(event)) },
  {
    weight: 4,
    arbitrary: fc.integer({ min: 1, max: 8000 }).map((ms): Act => (h) => h.advance(ms)),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 1e9 }).map((ms): Act => (h) => {
      h.now += ms;
      h.do({ type: "tick" });
    }),
  },
  {
    weight: 2,
    arbitrary: fc.boolean().map((resumed): Act => (h) => {
      if (h.state.link.phase.kind !== "ticket") return;
      h.online(resumed);
    }),
  },
  { weight: 1, arbitrary: fc.constant<Act>((h) => h.offline()) },
  {
    weight: 3,
    arbitrary: fc.boolean().map((up) => online((h) => h.list(summary({ online: up })))),
  },
  {
    weight: 3,
    arbitrary: fc.constant<Act>((h) => {
      if (h.state.session?.request.kind === "asked" && h.state.link.phase.kind === "online") {
        h.accepted();
      }
    }),
  },
  {
    weight: 3,
    arbitrary: fc.boolean().map((viewOnly) => withSession((h) => h.approved(caps(), viewOnly))),
  },
  {
    weight: 3,
    arbitrary: fc.constant(withSession((h) => {
      if (h.state.session?.attempt != null) h.connected();
    })),
  },
  { weight: 1, arbitrary: reason.map((why) => withSession((h) => h.ended(why))) },
  {
    weight: 1,
    arbitrary: fc.constant(withSession((h) => {
      h.inSession({
        type: "ERROR",
        payload: { code: "session-not-found", message: "x", advice: "x", retryable: true },
      });
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...STAGES).map((stage) =>
      withSession((h) => {
        h.inSession({
          type: "DESKTOP_WEBRTC_STATE",
          payload: {
            stage,
            previous: null,
            reason: "retry",
            at: 1,
            elapsedMs: 1,
            retries: 0,
            candidatePair: null,
            transport: "none",
          },
        });
      })
    ),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map((paints): Act => (h) => {
      h.world.paints = paints;
    }),
  },
  { weight: 1, arbitrary: fc.constant<Act>((h) => h.world.beating.clear()) },
  {
    weight: 1,
    arbitrary: fc.nat(400).map((frames): Act => (h) => {
      h.world.captured += frames;
      h.stats(frames);
    }),
  },
);

/** Where a series begins: nowhere, at the list, or with a live session. */
const beginnings: fc.Arbitrary<Act> = fc.constantFrom<Act>(
  (h) => h.do({ type: "start" }),
  (h) => {
    h.online();
    h.list(summary());
    h.do({ type: "connect", desktopId: DESKTOP_ID });
  },
  (h) => h.live(),
);
const series = (maxLength: number) =>
  fc.tuple(beginnings, fc.array(acts, { maxLength, size: "max" }));

/** What has to hold after each act, whatever came before. */
class Watch {
  #session = "";
  #generation = 0;
  #shown: Transport = "none";
  #epoch = 0;

  check(h: ConsoleHarness): void {
    const { session } = h.state;
    const deadline = nextDeadline(h.state);
    ok(deadline === null || deadline > h.state.at, "time gets on");
    ok(h.openPeers.size <= 4, "peers are closed again");
    if (session === null) {
      ok(h.openPeers.size === 0, "no session, no peer");
      this.#shown = "none";
      this.#session = "";
      this.#epoch = 0;
      return;
    }
    if (session.sessionId === this.#session) {
      ok(session.generation >= this.#generation, "generations grow within a session");
    }
    this.#session = session.sessionId ?? "";
    this.#generation = session.generation;
    const { shown, epoch } = session.transport;
    // A session that was replaced by a fresh connect() begins with no picture.
    if (epoch >= this.#epoch) {
      ok(shown.transport !== "none" || this.#shown === "none", "a picture never goes away");
    }
    this.#shown = shown.transport;
    this.#epoch = epoch;
    ok(session.timeline.length <= MAX_TIMELINE_ENTRIES);
    ok(
      h.messages("DESKTOP_TRANSPORT_FALLBACK").every(({ payload }) => payload.from !== payload.to),
      "a fallback changes something",
    );
  }
}

Deno.test("the machine never throws, never blanks the picture, never runs back", () => {
  fc.assert(
    fc.property(series(80), ([begin, rest]) => {
      const h = new ConsoleHarness();
      const watch = new Watch();
      begin(h);
      for (const act of rest) {
        act(h);
        watch.check(h);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("whatever happened, a world that works again brings the video back", () => {
  fc.assert(
    fc.property(series(50), ([begin, rest]) => {
      const h = new ConsoleHarness();
      begin(h);
      for (const act of rest) act(h);
      h.world.paints = true;
      if (h.state.session?.request.kind === "ended") h.do({ type: "disconnect" });
      h.do({ type: "connect", desktopId: DESKTOP_ID });
      h.do({ type: "choose", choice: "auto" });
      for (let round = 0; round < 400 && h.session.transport !== "rtp"; round++) {
        if (h.state.link.phase.kind === "ticket") h.online();
        if (h.state.link.phase.kind === "online") {
          if (h.state.desktops === null || h.state.session?.agentOnline !== true) h.list(summary());
          const kind = h.state.session?.request.kind;
          if (kind === "asked") h.accepted();
          else if (kind === "deciding" || h.state.session?.capsOfSession === false) {
            if (h.state.session?.sessionId != null) h.approved();
          }
          if (h.state.session?.attempt != null) h.connected();
        }
        h.advance(250);
      }
      ok(h.session.transport === "rtp", JSON.stringify(h.session.phase));
    }),
    { numRuns: 150 },
  );
});
