import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { batchWrites, type TurnStream } from "./turn_stream.ts";

function stream() {
  const written: string[] = [];
  const client = {
    noDelay: false,
    writableLength: 0,
    destroyed: false,
    setNoDelay: (on: boolean) => void (client.noDelay = on),
    write: (data: Buffer) => void written.push(data.toString("latin1")),
  };
  const made: TurnStream = { send: () => Promise.reject(new Error("werift's own")), client };
  batchWrites(made);
  return { written, client, send: (text: string) => made.send(Buffer.from(text, "latin1")) };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

Deno.test("batchWrites: packets of one turn leave together, in order, and nobody waits", async () => {
  const { written, client, send } = stream();
  assert.equal(client.noDelay, true);
  await send("a");
  await send("b");
  assert.deepEqual(written, []);
  await nextTurn();
  assert.deepEqual(written, ["ab"]);
  await send("c");
  await nextTurn();
  assert.deepEqual(written, ["ab", "c"]);
});

Deno.test("batchWrites: a full batch does not wait for the turn to end", async () => {
  const { written, send } = stream();
  await send("x".repeat(16 * 1024));
  assert.equal(written.length, 1);
  await nextTurn();
  assert.equal(written.length, 1);
});

Deno.test("batchWrites: behind a stuck path packets are dropped, and go on when it moves", async () => {
  const { written, client, send } = stream();
  client.writableLength = 4 * 1024 * 1024;
  await send("lost");
  await nextTurn();
  client.writableLength = 0;
  await send("kept");
  await nextTurn();
  assert.deepEqual(written, ["kept"]);
});

Deno.test("batchWrites: after the end a packet is refused, and what waited is not written", async () => {
  const { written, client, send } = stream();
  await send("late");
  client.destroyed = true;
  await assert.rejects(send("later"), /closed/);
  await nextTurn();
  assert.deepEqual(written, []);
});

Deno.test("batchWrites: another werift is noticed", () => {
  assert.throws(() => batchWrites({ send: () => Promise.resolve() }), /not the one/);
});
