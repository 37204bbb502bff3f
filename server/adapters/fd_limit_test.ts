import assert from "node:assert/strict";
import { openFilesLimit, parseLimit, safeConnections } from "./fd_limit.ts";

Deno.test("parseLimit", () => {
  const line = "Max open files            1024                 524288               files     \n";
  assert.equal(parseLimit(`Limit\n${line}`), 1024);
  assert.equal(parseLimit("Max open files            unlimited   unlimited   files"), null);
  assert.equal(parseLimit(""), null);
});

Deno.test("safeConnections stays well below the limit of open files", () => {
  const rows = [[1024, null, 1024], [1024, 20_000, 1024], [1024, 1024, 384], [
    1024,
    120,
    30,
  ]] as const;
  for (const [wanted, limit, cap] of rows) assert.equal(safeConnections(wanted, limit), cap);
});

Deno.test("openFilesLimit", async () => {
  const limit = await openFilesLimit();
  assert.ok(limit === null || limit > 0);
});
