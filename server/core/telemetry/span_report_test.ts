import assert from "node:assert/strict";
import type { ConsoleSpan } from "@farglass/protocol";
import type { SessionTrace } from "../trace.ts";
import { reportFault } from "./span_report.ts";

const ROOT = "1111111111111111";
const TRACE: SessionTrace = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  callerSpanId: ROOT,
  spanId: "2222222222222222",
  sampled: true,
};
const NOW = 1_700_000_000_000;
const root: ConsoleSpan = {
  name: "desktop.open",
  spanId: ROOT,
  parentId: null,
  startMs: NOW - 500,
  endMs: NOW,
  ok: true,
};
const child: ConsoleSpan = {
  ...root,
  name: "first-frame",
  spanId: "3333333333333333",
  parentId: ROOT,
};

const CASES: readonly (readonly [
  name: string,
  spans: readonly ConsoleSpan[],
  fault: string | null,
  trace?: SessionTrace | undefined,
])[] = [
  ["a root and its child", [root, child], null],
  ["a child of the root alone", [child], null],
  [
    "a grandchild",
    [root, child, { ...child, spanId: "4".repeat(16), parentId: child.spanId }],
    null,
  ],
  ["a clock that is an hour wrong", [{ ...root, startMs: NOW + 3.6e6, endMs: NOW + 3.6e6 }], null],
  ["another root", [{ ...root, spanId: "5".repeat(16) }], "ids"],
  ["an unknown parent", [{ ...child, parentId: "6".repeat(16) }], "ids"],
  ["its own parent", [{ ...child, parentId: child.spanId }], "ids"],
  ["one id twice", [child, child], "ids"],
  ["the server's own span", [{ ...child, spanId: TRACE.spanId }], "ids"],
  ["two days ago", [{ ...root, startMs: NOW - 1.8e8, endMs: NOW - 1.8e8 }], "times"],
  ["two hours long", [{ ...root, startMs: NOW - 7.2e6 }], "times"],
  ["a trace that is not recorded", [root], "not-recorded", { ...TRACE, sampled: false }],
  ["a trace that no console began", [child], "not-recorded", { ...TRACE, callerSpanId: null }],
];

for (const [name, spans, fault, trace] of CASES) {
  Deno.test(`reportFault: ${name} → ${fault ?? "taken"}`, () => {
    assert.equal(reportFault(trace ?? TRACE, spans, NOW), fault);
  });
}

Deno.test("reportFault: a session of an older node has no trace", () => {
  assert.equal(reportFault(undefined, [root], NOW), "not-recorded");
});
