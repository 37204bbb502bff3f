/** The probe's process: what is not here is refused with a reason, and no driver can do harm. */
import assert from "node:assert/strict";
import { ENCODER_NAMES } from "../../core/settings.ts";
import { ENCODERS } from "./catalogue.ts";
import type { ProbeResult } from "./probe.ts";
import { type HardwareProbeOptions, ownProbeCommand, probeHardware } from "./probe_hardware.ts";

const HARDWARE = ENCODERS.filter(({ caps }) => caps.hardware).map(({ caps }) => caps.name);
const MAIN = new URL("../../main.ts", import.meta.url).href;

async function probe(options: HardwareProbeOptions): Promise<ProbeResult[]> {
  const results: ProbeResult[] = [];
  await probeHardware(options, (result) => results.push(result));
  assert.deepEqual(results.map(({ name }) => name).toSorted(), HARDWARE.toSorted());
  return results;
}

Deno.test("probeHardware: every driver that is really asked for answers, and the process survives it", async () => {
  const results = await probe({ command: ownProbeCommand(MAIN), force: true });
  for (const result of results) {
    // A machine with a GPU may have some that work.
    if (!result.works) assert.match(result.reason, /\w/);
    if (!result.works) assert.doesNotMatch(result.reason, /its probe/);
  }
  const absent = results.find(({ name }) =>
    name === (Deno.build.os === "linux" ? "h264_mf" : "h264_v4l2m2m")
  );
  assert.ok(absent !== undefined && !absent.works);
  assert.match(absent.reason, /not in this FFmpeg build/);
});

Deno.test("probeHardware: a process that crashes costs only the encoder that it was trying", async () => {
  const script = "echo noise; for name; do " +
    'if [ "$name" = h264_qsv ]; then kill -SEGV $$; fi; ' +
    'printf \'{"name":"%s","works":false,"reason":"tried"}\\n\' "$name"; done';
  const results = await probe({ command: ["sh", "-c", script, "probe"], force: true });
  const reasonOf = (name: string) => {
    const found = results.find((one) => one.name === name);
    return found === undefined || found.works ? null : found.reason;
  };
  for (const name of ["h264_nvenc", "h264_vaapi"]) assert.equal(reasonOf(name), "tried");
  assert.equal(reasonOf("h264_qsv"), "its probe ended with SIGSEGV");
});

Deno.test("probeHardware: a process that hangs is ended, and so is one that cannot be started", async () => {
  const hangs = await probe({ command: ["sleep", "60", "#"], timeoutMs: 50, force: true });
  assert.ok(hangs.every((one) => !one.works && /did not answer|ended with/.test(one.reason)));
  const missing = await probe({ command: ["/nonexistent/probe"], force: true });
  assert.ok(missing.every((one) => !one.works && one.reason === "its probe could not be started"));
});

Deno.test("encoder.preferred names every encoder of the catalogue", () => {
  assert.deepEqual(ENCODERS.map(({ caps }) => caps.name), [...ENCODER_NAMES]);
});
