import assert from "node:assert/strict";
import { openConsentPrompt } from "./consent_terminal.ts";

/** A terminal whose owner types what the test says; `asked` resolves with each next question. */
function fakeTerminal() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  let text = "";
  return {
    terminal: {
      lines: readable,
      write: (more: string) => {
        text += more;
      },
    },
    type: (line: string) => writer.write(new TextEncoder().encode(line)),
    shown: () => text,
    end: () => writer.close().catch(() => {}),
  };
}

Deno.test("questions come one at a time, in order, and each gets its own answer", async () => {
  const { terminal, type, shown, end } = fakeTerminal();
  const prompt = openConsentPrompt(terminal);
  const answers: string[] = [];
  const done = Promise.withResolvers<void>();
  prompt.ask("a", "Ada", (answer) => answers.push(`a ${answer}`));
  prompt.ask("b", "Bob", (answer) => {
    answers.push(`b ${answer}`);
    done.resolve();
  });
  assert.ok(shown().includes("Ada") && !shown().includes("Bob"));
  await type("y\nno\n");
  await done.promise;
  assert.deepEqual(answers, ["a allowed-by-owner", "b denied-by-owner"]);
  assert.ok(shown().includes("Bob"));
  prompt.close();
  await end();
});

Deno.test("a question that was taken back is not answered, and the next one is shown", async () => {
  const { terminal, type, shown, end } = fakeTerminal();
  const prompt = openConsentPrompt(terminal);
  const done = Promise.withResolvers<string>();
  prompt.ask("a", "Ada", () => assert.fail("taken back"));
  prompt.ask("b", "Bob", (answer) => done.resolve(answer));
  prompt.cancel("a");
  prompt.cancel("unknown");
  assert.ok(shown().includes("Bob"));
  await type("YES\n");
  assert.equal(await done.promise, "allowed-by-owner");
  prompt.close();
  await end();
});
