import assert from "node:assert/strict";
import { JsonLog } from "./json_log.ts";

Deno.test("JsonLog: one JSON object a line, from its level on, redacted", () => {
  const lines: string[] = [];
  const log = new JsonLog("info", (line) => lines.push(line), () => 0);
  log.write("debug", "hidden");
  log.write("info", "SESSION_ENDED", { reason: "killed", text: "a\nb" });
  log.write("error", "failed", { error: "to 203.0.113.5", secret: "s" });
  assert.deepEqual(lines.map((l) => JSON.parse(l)), [
    {
      ts: "1970-01-01T00:00:00.000Z",
      level: "info",
      event: "SESSION_ENDED",
      reason: "killed",
      text: "a\nb",
    },
    {
      ts: "1970-01-01T00:00:00.000Z",
      level: "error",
      event: "failed",
      error: "to [redacted]",
      secret: "[redacted]",
    },
  ]);
  assert.ok(lines.every((l) => !l.includes("\n")));
});
