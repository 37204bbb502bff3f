/** Agent and server may run on one machine, with one environment. */
import assert from "node:assert/strict";
import { envOf, SETTING_KEYS } from "../../agent/core/settings.ts";
import { OTHER_VARIABLES } from "../../server/config.ts";

Deno.test("variables: the server knows which of its prefix are the agent's", () => {
  const agents = SETTING_KEYS.map(envOf).filter((name) => name.startsWith("FARGLASS_SERVER_"));
  assert.deepEqual(
    agents.toSorted(),
    OTHER_VARIABLES.filter((name) => name !== "FARGLASS_SERVER_CONFIG").toSorted(),
  );
});
