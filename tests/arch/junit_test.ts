import assert from "node:assert/strict";
import { parseJunit } from "../../tools/junit.ts";

// As written by deno 2.9.6.
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="3" failures="1" errors="0" time="0.012">
    <testsuite name="./a_test.ts" tests="3" disabled="1" errors="0" failures="1">
        <testcase name="a &lt;b&gt; &amp; &quot;c&quot;" classname="./a_test.ts" time="0.012" line="1" col="6">
        </testcase>
        <testcase name="bad" classname="./a_test.ts" time="1.5" line="2" col="6">
            <failure message="Uncaught Error: a &lt;b&gt;
second">Error: a &lt;b&gt;
second
    at file:///a_test.ts:2:1</failure>
        </testcase>
        <testcase name="later" classname="./a_test.ts" time="0" line="3" col="6">
            <skipped/>
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("parseJunit reads names, files, times, outcomes and why a test failed", () => {
  assert.deepEqual(parseJunit(REPORT), [
    { file: "a_test.ts", name: 'a <b> & "c"', outcome: "passed", ms: 12, failure: "" },
    {
      file: "a_test.ts",
      name: "bad",
      outcome: "failed",
      ms: 1500,
      failure: "Error: a <b>\nsecond\n    at file:///a_test.ts:2:1",
    },
    { file: "a_test.ts", name: "later", outcome: "skipped", ms: 0, failure: "" },
  ]);
});

Deno.test("parseJunit of an empty report finds nothing", () => {
  assert.deepEqual(parseJunit(""), []);
});
