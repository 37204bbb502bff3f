import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { NEGOTIATION_DOC, negotiationDocument } from "./negotiation_doc.ts";

Deno.test("docs/negotiation.md is what `deno task docs:negotiation` writes", async () => {
  const path = new URL(`../../${NEGOTIATION_DOC}`, import.meta.url);
  assert.equal(await readFile(path, "utf8"), negotiationDocument());
});
