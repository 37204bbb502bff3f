import assert from "node:assert/strict";
import { MIN_READING_MS, openConsentPrompt } from "./consent_terminal.ts";

/** A terminal whose owner types what the test says, and reads each question before. */
function fakeTerminal() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  let text = "";
  let now = 0;
  const waiting: { readonly length: number; resolve(): void }[] = [];
  return {
    terminal: {
      lines: readable,
      write: (more: string) => {
        text += more;
        for (const { length, resolve } of waiting) if (text.length >= length) resolve();
      },
    },
    nowMs: () => now,
    /** Time for reading what is shown. */
    read: () => {
      now += MIN_READING_MS;
    },
    type: (line: string) => writer.write(new TextEncoder().encode(line)),
    /** Resolves when so many characters were written in all. */
    written: (length: number) =>
      new Promise<void>((resolve) => {
        waiting.push({ length, resolve });
        if (text.length >= length) resolve();
      }),
    shown: () => text,
    end: () => writer.close().catch(() => {}),
  };
}

Deno.test("questions come one at a time, in order, and each gets its own answer", async () => {
  const { terminal, nowMs, read, type, shown, end } = fakeTerminal();
  const prompt = openConsentPrompt(terminal, { sound: false, nowMs });
  const answers: string[] = [];
  const [first, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  prompt.ask("a", { operator: "Ada", displays: [] }, (answer) => {
    answers.push(`a ${answer}`);
    first.resolve();
  });
  prompt.ask("b", { operator: "Bob", displays: [] }, (answer) => {
    answers.push(`b ${answer}`);
    done.resolve();
  });
  assert.ok(shown().includes("Ada") && !shown().includes("Bob"));
  read();
  await type("y\n");
  await first.promise;
  assert.ok(shown().includes("Bob"));
  read();
  await type("no\n");
  await done.promise;
  assert.deepEqual(answers, ["a allowed-by-owner", "b denied-by-owner"]);
  prompt.close();
  await end();
});

Deno.test("a yes that was typed before the question allows nobody", async () => {
  const { terminal, nowMs, read, type, shown, written, end } = fakeTerminal();
  const prompt = openConsentPrompt(terminal, { sound: false, nowMs });
  const answers: string[] = [];
  const done = Promise.withResolvers<void>();
  const typed = type("y\n");
  prompt.ask("a", { operator: "Ada", displays: [] }, (answer) => answers.push(`a ${answer}`));
  const question = shown().length;
  await typed;
  // The question is asked again.
  await written(2 * question);
  assert.equal(answers.length, 0);
  prompt.ask("b", { operator: "Bob", displays: [] }, (answer) => {
    answers.push(`b ${answer}`);
    done.resolve();
  });
  read();
  // The second yes stands under Ada's name, for Bob's was not shown yet.
  await type("y\ny\n");
  await written(4 * question);
  assert.deepEqual(answers, ["a allowed-by-owner"]);
  read();
  await type("n\n");
  await done.promise;
  assert.deepEqual(answers, ["a allowed-by-owner", "b denied-by-owner"]);
  prompt.close();
  await end();
});

Deno.test("a question that was taken back is not answered, and the next one is shown", async () => {
  const { terminal, nowMs, read, type, shown, written, end } = fakeTerminal();
  const prompt = openConsentPrompt(terminal, { sound: false, nowMs });
  const done = Promise.withResolvers<string>();
  prompt.ask("a", { operator: "Ada", displays: [] }, () => assert.fail("taken back"));
  prompt.ask("b", { operator: "Bob", displays: [] }, (answer) => done.resolve(answer));
  read();
  prompt.cancel("a");
  prompt.cancel("unknown");
  assert.ok(shown().includes("Bob"));
  // Typed for Ada while her question was taken back.
  const before = shown().length;
  await type("y\n");
  await written(before + 1);
  read();
  await type("YES\n");
  assert.equal(await done.promise, "allowed-by-owner");
  prompt.close();
  await end();
});
