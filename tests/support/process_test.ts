import assert from "node:assert/strict";
import { spawnProcess, within } from "./process.ts";

/** Echoes each line in capitals until it reads "end". */
const shout = () =>
  spawnProcess({
    name: "shout",
    command: Deno.execPath(),
    args: [
      "eval",
      `console.error("awake");
       for await (const chunk of Deno.stdin.readable) {
         for (const line of new TextDecoder().decode(chunk).trim().split("\\n")) {
           if (line === "end") Deno.exit(3);
           console.log(line.toUpperCase());
         }
       }`,
    ],
  });

Deno.test("spawnProcess: lines of both streams, questions and answers, the exit code", async () => {
  await using child = shout();
  await child.waitForLine(/^awake$/);
  await child.ask("one", /^ONE$/);
  assert.equal((await child.ask("two 22", /^TWO (\d+)$/))[1], "22");
  assert.deepEqual(child.stdoutLines, ["ONE", "TWO 22"]);
  assert.deepEqual(child.stderrLines, ["awake"]);
  await child.write("end");
  assert.equal((await child.exited).code, 3);
});

Deno.test("spawnProcess: a wait from a mark sees later lines only", async () => {
  await using child = shout();
  await child.ask("one", /ONE/);
  const from = child.mark();
  const wait = child.waitForLine(/ONE/, 5_000, from);
  await child.write("one more");
  assert.equal((await wait).input, "ONE MORE");
});

Deno.test("spawnProcess: the end of the process ends every wait, with its last lines", async () => {
  await using child = shout();
  await child.ask("last words", /LAST/);
  const wait = assert.rejects(child.waitForLine(/never/), /"shout" ended[^]*LAST WORDS/);
  await child.write("end");
  await wait;
  await assert.rejects(child.waitForLine(/never/), /"shout" ended/);
});

Deno.test("spawnProcess: a wait that is too long fails with the last lines", async () => {
  await using child = shout();
  await child.waitForLine(/awake/);
  await assert.rejects(child.waitForLine(/never/, 1), /no \/never\/ within 1 ms[^]*awake/);
});

Deno.test("spawnProcess: stop ends it, also twice", async () => {
  const child = shout();
  assert.equal((await child.stop("SIGKILL")).signal, "SIGKILL");
  assert.equal((await child.stop()).signal, "SIGKILL");
});

Deno.test("within: the value in time, else an error with its name", async () => {
  assert.equal(await within("it", 1_000, Promise.resolve(7)), 7);
  await assert.rejects(within("it", 1, new Promise(() => {})), /^Error: it: not within 1 ms$/);
});
