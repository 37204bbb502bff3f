/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import { parseTraceparent } from "@farglass/protocol";
import { caps, ConsoleHarness, DESKTOP_ID, summary } from "../../tests/support/console_harness.ts";

const report = (h: ConsoleHarness) => h.messages("TRACE_SPANS").map((m) => m.payload.spans);

/** The server's answer, with another word on recording than the request's. */
function accepted(h: ConsoleHarness, change: (traceparent: string) => string | undefined): void {
  const request = h.messages("SESSION_REQUEST").at(-1);
  if (request?.traceparent === undefined) throw new Error("The request bears no trace");
  h.server({
    ...request,
    sessionId: "0b36df0b-7c59-4b5e-9e6c-000000005001",
    traceparent: change(request.traceparent),
  });
}

function click(): ConsoleHarness {
  const h = new ConsoleHarness();
  h.online();
  h.list(summary());
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  return h;
}

Deno.test("trace: the request and the offer carry it, and its spans are told with the first frame", () => {
  const h = new ConsoleHarness();
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  const clickedAt = h.now;
  h.advance(100);
  h.online();
  h.list(summary());
  const request = parseTraceparent(h.messages("SESSION_REQUEST")[0].traceparent ?? "");
  ok(request !== null && request.sampled);
  h.advance(10);
  h.accepted();
  h.advance(10);
  h.approved();
  h.advance(10);
  h.connected();
  const [offer] = h.messages("DESKTOP_WEBRTC_SIGNAL").filter((m) => m.payload.kind === "offer");
  const context = parseTraceparent(offer.traceparent ?? "");
  equal(context?.traceId, request.traceId);

  const [spans, ...more] = report(h);
  deepEqual(more, []);
  deepEqual(
    spans.map(({ name, startMs, endMs }) => [name, startMs - clickedAt, endMs - clickedAt]),
    [
      ["desktop.open", 0, 130],
      ["link.ready", 0, 100],
      ["session.request", 100, 110],
      ["session.decision", 110, 120],
      ["negotiation.offer", 120, 130],
      ["negotiation.answer", 130, 130],
      ["ice.connect", 130, 130],
      ["channels.open", 130, 130],
      ["first-frame", 130, 130],
    ],
  );
  const [root, ...children] = spans;
  deepEqual([root.spanId, root.parentId, root.transport], [request.spanId, null, "rtp"]);
  for (const { parentId } of children) equal(parentId, root.spanId);
  equal(new Set(spans.map((s) => s.spanId)).size, spans.length);
  equal(spans.find((s) => s.name === "negotiation.answer")?.spanId, context?.spanId);
  h.advance(5_000);
  equal(report(h).length, 1, "a trace is told once");
});

for (
  const [name, change] of [
    ["does not record", (t: string) => t.replace(/01$/, "00")],
    ["is older and says nothing", () => undefined],
    ["names another trace", (t: string) => t.replace(/^00-.{32}/, `00-${"f".repeat(32)}`)],
  ] as const
) {
  Deno.test(`trace: a server that ${name} gets no spans`, () => {
    const h = click();
    accepted(h, change);
    h.approved();
    h.connected();
    equal(h.session.transport, "rtp");
    deepEqual(report(h), []);
  });
}

Deno.test("trace: a wish that ends without a picture is told as failed", () => {
  const h = click();
  h.accepted();
  h.inSession({
    type: "SESSION_DECISION",
    payload: { decision: "deny", by: "owner", reason: "denied-by-owner", viewOnly: true },
  });
  const [[root]] = report(h);
  deepEqual([root.name, root.ok, root.reason], ["desktop.open", false, "denied-by-owner"]);
});

Deno.test("trace: a session asked for again after its first frame is a trace of its own", () => {
  const h = new ConsoleHarness();
  h.live();
  h.advance(1_000);
  h.ended("agent-restarted");
  h.advance(1_000);
  const [first, second] = h.messages("SESSION_REQUEST").map((m) =>
    parseTraceparent(m.traceparent ?? "")?.traceId
  );
  ok(second !== undefined && first !== second);
  h.accepted();
  h.approved();
  h.connected();
  const [[one], [two]] = report(h);
  deepEqual([one.reason, two.reason], [undefined, "retry"]);
});

Deno.test("trace: only the negotiation that led to the picture counts", () => {
  const h = click();
  h.accepted();
  h.approved(caps());
  h.advance(10);
  h.do({ type: "peer-offer", peerId: h.lastPeer, sdp: "v=0" });
  h.do({ type: "peer-error", peerId: h.lastPeer });
  h.advance(3_000);
  ok(report(h).length <= 1);
  for (const spans of report(h)) {
    for (const span of spans) ok(span.endMs >= span.startMs, span.name);
  }
});
