import assert from "node:assert/strict";
import { LinkInbox } from "./link_inbox.ts";

Deno.test("LinkInbox: at once while nothing waits, else in order, also what is added meanwhile", async () => {
  const inbox = new LinkInbox();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const queued = Promise.withResolvers<void>();
  inbox.add(() => void done.push("a"), () => done.push("after a"));
  assert.deepEqual(done, ["a", "after a"]);
  inbox.add(() => ({ queued: queued.promise }), () => done.push("after b"));
  inbox.add(() => {
    done.push("c");
    return gate.promise;
  }, () => done.push("after c"));
  inbox.add(() => {
    done.push("d");
    // Behind the one that waits already.
    inbox.add(() => void done.push("f"));
  });
  const last = Promise.withResolvers<void>();
  inbox.add(() => void done.push("e"));
  inbox.add(() => last.resolve());
  assert.deepEqual(done.splice(0), ["a", "after a", "c"]);
  queued.resolve();
  await queued.promise;
  assert.deepEqual(done.splice(0), ["after b"]);
  gate.reject(new Error("whoever gave the work answers for it"));
  await last.promise;
  inbox.add(() => void done.push("g"));
  assert.deepEqual(done, ["after c", "d", "e", "f", "g"]);
});
