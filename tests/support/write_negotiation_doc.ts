/** `deno task docs:negotiation`: writes docs/negotiation.md from the controller's table. */
import { writeFile } from "node:fs/promises";
import { NEGOTIATION_DOC, negotiationDocument } from "../../server/testing/negotiation_doc.ts";

await writeFile(new URL(`../../${NEGOTIATION_DOC}`, import.meta.url), negotiationDocument());
