import assert from "node:assert/strict";
import { join } from "node:path";
import { EVENT_DOCS, renderEventDocs } from "../../tools/event_docs.ts";
import { ROOT } from "../../tools/files.ts";

Deno.test("docs/events.md is up to date: deno task docs:events", () => {
  assert.equal(Deno.readTextFileSync(join(ROOT, EVENT_DOCS)), renderEventDocs());
});
