/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import * as v from "valibot";
import { MESSAGE_CASES } from "../tests/support/message_cases.ts";
import { CONTROL_CASES } from "../tests/support/control_cases.ts";
import { type MessageType, schemaOf } from "./messages.ts";
import { quickCheck } from "./quick_check.ts";

/** A yes must be the schema's own, whatever the value. */
function holds(schema: v.GenericSchema, value: unknown): boolean {
  const quick = quickCheck(schema)(value);
  if (!quick) return false;
  const parsed = v.safeParse(schema, value);
  assert.ok(parsed.success, `only the quick check takes ${JSON.stringify(value)}`);
  assert.deepEqual(parsed.output, value);
  return true;
}

/** What has no bound on its names goes the slow way. */
const SLOW: ReadonlySet<MessageType> = new Set([
  "DESKTOP_TRANSPORT_FALLBACK",
  "DESKTOP_TRANSPORT_RESTORED",
  "MEDIA_REPORT",
]);

for (const { name, message } of MESSAGE_CASES) {
  const way = SLOW.has(message.type) ? "asks the schema" : "yes";
  Deno.test(`quickCheck: ${name} → ${way}`, () => {
    const value = JSON.parse(JSON.stringify(message));
    assert.equal(holds(schemaOf(message.type), value), way === "yes");
  });
}

const IDS = { desktopId: "01234567-89ab-4def-8123-456789abcdef" };
const controls = CONTROL_CASES.map((payload) => ({
  ...{ type: "VIEWER_CONTROL", ...IDS, sessionId: IDS.desktopId, seq: 1, ack: 0, ts: 5 },
  payload,
}));
const samples: readonly object[] = [...MESSAGE_CASES.map(({ message }) => message), ...controls];

const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>(-1, -0, 1.5, 1e999, 2 ** 53, "", "x".repeat(600), null, [], {}, [[]]),
  fc.constantFrom<unknown>("select", "rtp", "offer", IDS.desktopId, IDS.desktopId.toUpperCase()),
);
const keys = fc.constantFrom("__proto__", "constructor", "toString", "future", "kind", "op", "seq");
const changeArbitrary = fc.record({
  at: fc.array(fc.nat(30), { maxLength: 5 }),
  kind: fc.constantFrom("set", "drop", "add"),
  key: keys,
  value: odd,
});

/** Walks along `at` as far as it goes and changes something there. */
function change(root: unknown, { at, kind, key, value }: {
  readonly at: readonly number[];
  readonly kind: string;
  readonly key: string;
  readonly value: unknown;
}): void {
  let here = root as Record<string, unknown>;
  for (const step of at) {
    const names = Object.keys(here);
    if (names.length === 0) break;
    const name = names[step % names.length];
    const next = here[name];
    if (typeof next === "object" && next !== null && step % 3 > 0) {
      here = next as Record<string, unknown>;
    } else if (kind === "drop") {
      // JSON makes no arrays with holes.
      return void (Array.isArray(here) ? here.splice(Number(name), 1) : delete here[name]);
    } else if (kind === "set") return void (here[name] = value);
  }
  if (Array.isArray(here)) return void here.push(value);
  Object.defineProperty(here, key, {
    ...{ value, enumerable: true, configurable: true, writable: true },
  });
}

Deno.test("quickCheck: a yes is the schema's yes, whatever is changed in a message", () => {
  let yes = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(changeArbitrary, { minLength: 1, maxLength: 3 }),
      (sample, changes) => {
        const value = JSON.parse(JSON.stringify(sample));
        const { type } = value;
        for (const one of changes) change(value, one);
        if (holds(schemaOf(type), value)) yes++;
      },
    ),
    { numRuns: 20_000 },
  );
  // Some changes are harmless; without any yes this would show nothing.
  assert.ok(yes > 100, `${yes}`);
});

Deno.test("quickCheck: a pipe of a pipe checks both", () => {
  const count = v.pipe(v.number(), v.integer(), v.minValue(0));
  const schema = v.pipe(count, v.maxValue(9));
  const taken = [0, 9, -1, 10, 1.5].map((value) => holds(schema, value));
  assert.deepEqual(taken, [true, true, false, false, false]);
});

Deno.test("quickCheck: ids are what the schema takes for ids", () => {
  const schema = v.pipe(v.string(), v.uuid());
  const check = quickCheck(schema);
  const chars = [..."0123456789abcdefABCDEFgG-/:@`{Kſ\u0131\u0660é "];
  fc.assert(
    fc.property(fc.nat(40), fc.constantFrom(...chars), fc.nat(2), (at, char, cut) => {
      const id = IDS.desktopId;
      const text = id.slice(0, at) + char + id.slice(at + cut);
      assert.equal(check(text), v.safeParse(schema, text).success, text);
    }),
    { numRuns: 5_000 },
  );
});

const SHAPES: readonly (readonly [string, v.GenericSchema, unknown, boolean])[] = [
  ["an unknown field", v.object({ a: v.string() }), { a: "", b: 1 }, false],
  ["a field that is filled in", v.object({ a: v.optional(v.string(), "x") }), {}, false],
  ["a field with a fallback", v.object({ a: v.fallback(v.string(), "x") }), {}, false],
  ["a field that may be missing", v.object({ a: v.optional(v.string()) }), {}, true],
  ["an array for an object", v.object({}), [], false],
  ["a transformation", v.pipe(v.string(), v.trim()), "x", false],
  ["an inherited name", v.object({ toString: v.any() }), {}, false],
  ["a kind of schema it does not know", v.record(v.string(), v.string()), {}, false],
];

for (const [name, schema, value, yes] of SHAPES) {
  Deno.test(`quickCheck: ${name} → ${yes ? "yes" : "asks the schema"}`, () => {
    assert.equal(holds(schema, value), yes);
  });
}
