/**
 * A process with one webhook sink, for tests that kill it: emits the number of events that its
 * first line on stdin asks for, says `spooled` once they are on disk, and lives on.
 */
import { mkdirSync } from "node:fs";
import process from "node:process";
import { EventHub } from "../adapters/sinks/hub.ts";
import { makeSinks } from "../adapters/sinks/make_sinks.ts";
import { ListLog } from "./sink_parts.ts";

const [dataDir, url, secret, count] = process.argv.slice(2);
mkdirSync(dataDir, { recursive: true });
const log = new ListLog();
const hub = new EventHub({
  node: "killed",
  format: "native",
  clock: Date.now,
  newId: () => crypto.randomUUID(),
  log,
});
const sinks = await makeSinks([{ type: "webhook", url, secret, spoolBytes: 1 << 26 }], {
  dataDir,
  stdout: (bytes) => Promise.resolve(bytes.length),
  clock: Date.now,
  random: Math.random,
  log,
  onDropped: () => {},
});
hub.start(sinks);
for (let i = 0; i < Number(count); i++) {
  hub.emit({
    action: "sign-in",
    at: i,
    outcome: "success",
    actor: { kind: "operator", id: String(i) },
    details: {},
  });
}
for (const { runner } of sinks) await runner.flush();
console.log("spooled");
// Lives until it is killed.
setInterval(() => {}, 60_000);
