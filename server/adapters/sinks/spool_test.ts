import assert from "node:assert/strict";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { lineBytes } from "../../core/telemetry/ports.ts";
import { Spool } from "./spool.ts";

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "farglass-spool-"));
  try {
    await run(join(parent, "spool"));
  } finally {
    await rm(parent, { recursive: true });
  }
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i} äöü`);
const bytesOf = (lines: readonly string[]) => lines.reduce((sum, l) => sum + lineBytes(l), 0);

Deno.test("Spool: what was not dropped is there for the next process, in order", async () => {
  await withDirectory(async (directory) => {
    const first = await Spool.open(directory);
    assert.deepEqual(first.restored, { lines: 0, bytes: 0 });
    for (const line of numbers(0, 10)) first.append(line);
    assert.deepEqual(await first.peek(3), numbers(0, 3));
    assert.deepEqual(await first.peek(4), numbers(0, 4), "a peek takes nothing away");
    await first.drop(4);
    await first.close();
    const second = await Spool.open(directory);
    assert.deepEqual(second.restored, { lines: 6, bytes: bytesOf(numbers(4, 10)) });
    for (const line of numbers(10, 12)) second.append(line);
    assert.deepEqual(await second.peek(100), numbers(4, 12));
    await second.drop(8);
    assert.deepEqual(await second.peek(1), []);
    await second.close();
    assert.deepEqual((await Spool.open(directory).then(closed)).restored.lines, 0);
  });
});

const closed = async (spool: Spool) => {
  await spool.close();
  return spool;
};

Deno.test("Spool: many segments, read across their borders, deleted when they are done", async () => {
  await withDirectory(async (directory) => {
    const long = "x".repeat(100_000);
    const lines = Array.from({ length: 35 }, (_, i) => `${i} ${long}`);
    const spool = await Spool.open(directory);
    for (const line of lines) {
      spool.append(line);
      await spool.flush();
    }
    const files = async () => (await readdir(directory)).filter((n) => n.endsWith(".log")).length;
    assert.equal(await files(), 4);
    assert.deepEqual(await spool.peek(15), lines.slice(0, 15));
    await spool.drop(15);
    assert.equal(await files(), 3);
    await spool.close();
    const again = await Spool.open(directory);
    assert.deepEqual(again.restored, { lines: 20, bytes: bytesOf(lines.slice(15)) });
    assert.deepEqual(await again.peek(20), lines.slice(15));
    await again.drop(20);
    assert.equal(await files(), 1);
    await again.close();
  });
});

Deno.test("Spool: half a line, a lost cursor and a bad one do no harm", async () => {
  await withDirectory(async (directory) => {
    const spool = await Spool.open(directory);
    for (const line of numbers(0, 3)) spool.append(line);
    await spool.peek(3);
    await spool.drop(1);
    await spool.close();
    const [segment] = (await readdir(directory)).filter((n) => n.endsWith(".log"));
    await appendFile(join(directory, segment), "half a li");
    const cut = await Spool.open(directory);
    assert.equal(cut.restored.lines, 2);
    cut.append("next");
    assert.deepEqual(await cut.peek(9), [...numbers(1, 3), "next"]);
    await cut.close();
    for (const cursor of ["", "nonsense", "999999 5\n", "1 999999\n"]) {
      await writeFile(join(directory, "cursor"), cursor);
      const all = await Spool.open(directory);
      await all.close();
      assert.equal(all.restored.lines, 4, "all comes again");
    }
  });
});

Deno.test("Spool: whatever is appended, delivered and opened again, no line is lost or moved", async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 40 }) }) },
    { weight: 3, arbitrary: fc.record({ deliver: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 1, arbitrary: fc.constant({ reopen: true }) },
    // The process died between a delivery and its cursor.
    { weight: 1, arbitrary: fc.constant({ dieDelivering: true }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await withDirectory(async (directory) => {
        let spool = await Spool.open(directory);
        const waiting: string[] = [];
        let serial = 0;
        for (const s of steps) {
          if ("append" in s) {
            for (let i = 0; i < s.append; i++) {
              const line = `${serial++} ${"x".repeat(serial % 7 === 0 ? 90_000 : 100)}`;
              waiting.push(line);
              spool.append(line);
            }
            continue;
          }
          if ("deliver" in s) {
            const lines = await spool.peek(s.deliver);
            assert.deepEqual(lines, waiting.slice(0, s.deliver));
            if (lines.length > 0) await spool.drop(lines.length);
            waiting.splice(0, lines.length);
            continue;
          }
          if ("dieDelivering" in s) await spool.peek(5);
          await spool.close();
          spool = await Spool.open(directory);
          assert.deepEqual(spool.restored, { lines: waiting.length, bytes: bytesOf(waiting) });
        }
        assert.deepEqual(await spool.peek(serial + 1), waiting);
        await spool.close();
      });
    }),
    { numRuns: 40 },
  );
});

Deno.test("Spool: only its owner can read it", async () => {
  await withDirectory(async (directory) => {
    const spool = await Spool.open(directory);
    spool.append("one");
    await spool.peek(1);
    await spool.drop(1);
    await spool.close();
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
    for (const name of await readdir(directory)) {
      assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name);
    }
    assert.equal(await readFile(join(directory, "cursor"), "utf8"), "1 4\n");
  });
});
