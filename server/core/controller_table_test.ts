/// <reference lib="deno.ns" />
/** Every stage × every event, illegal ones too. */
import assert from "node:assert/strict";
import { STAGES } from "@farglass/protocol";
import {
  AGENT_LINK,
  CONSOLE_LINK,
  ControllerDriver,
  on,
  SCRIPTS,
} from "../testing/controller_driver.ts";
import { sampleSdp } from "../testing/samples.ts";
import type { ControllerEvent } from "./events.ts";
import { isLegalEdge } from "./stages.ts";

/**
 * Event (`g` is the session's generation, 1 before the first), and what becomes of a session in each of STAGES, in
 * their order: a new stage, `=` for the same one, `!code` for a rejection that changes nothing;
 * `*n` repeats a cell.
 */
const TABLE: readonly (readonly [string, (g: number) => ControllerEvent, string])[] = [
  ["decision accept", () => on.decision("accept"), "approved !duplicate*8 !session-ended*2"],
  ["decision deny", () => on.decision("deny"), "failed !duplicate*8 !session-ended*2"],
  [
    "offer old",
    (g) => on.offer(Math.max(1, g - 1)),
    "!out-of-state offered !duplicate*5 !stale-generation !duplicate !session-ended*2",
  ],
  ["offer same", (g) => on.offer(g), "!out-of-state offered !duplicate*7 !session-ended*2"],
  [
    "offer next",
    (g) => on.offer(g + 1),
    "!out-of-state offered restarting*5 = restarting !session-ended*2",
  ],
  [
    "answer old",
    (g) => on.answer(Math.max(1, g - 1)),
    "!out-of-state*2 answered !duplicate*4 !stale-generation !duplicate !session-ended*2",
  ],
  [
    "answer current",
    (g) => on.answer(g),
    "!out-of-state*2 answered !duplicate*4 answered !duplicate !session-ended*2",
  ],
  ["answer next", (g) => on.answer(g + 1), "!out-of-state*9 !session-ended*2"],
  [
    "offer by agent",
    () => on.signal("agent", { kind: "offer", generation: 9, sdp: sampleSdp() }),
    "!out-of-state !wrong-direction*8 !session-ended*2",
  ],
  [
    "answer by console",
    () => on.signal("console", { kind: "answer", generation: 9, sdp: sampleSdp() }),
    "!out-of-state !wrong-direction*8 !session-ended*2",
  ],
  ["candidate of console", (g) => on.candidate("console", g), "!out-of-state =*8 !session-ended*2"],
  ["candidate of agent", (g) => on.candidate("agent", g), "!out-of-state*2 =*7 !session-ended*2"],
  [
    "candidate early by console",
    (g) => on.candidate("console", g + 1),
    "!out-of-state =*8 !session-ended*2",
  ],
  [
    "candidate early by agent",
    (g) => on.candidate("agent", g + 1),
    "!out-of-state*9 !session-ended*2",
  ],
  [
    "candidate old",
    (g) => on.candidate("console", Math.max(1, g - 1)),
    "!out-of-state =*6 !stale-generation = !session-ended*2",
  ],
  ["ice-end", (g) => on.iceEnd("console", g), "!out-of-state =*8 !session-ended*2"],
  [
    "restart by agent",
    (g) => on.restart("agent", g),
    "!out-of-state*2 restarting*5 =*2 !session-ended*2",
  ],
  ["restart unknown", (g) => on.restart("agent", g + 1), "!out-of-state*9 !session-ended*2"],
  [
    "agent connecting",
    (g) => on.peer("agent", "connecting", g),
    "!out-of-state*2 = connecting =*7",
  ],
  [
    "console connected",
    (g) => on.peer("console", "connected", g),
    "!out-of-state*2 = connected*2 = connected = connected =*2",
  ],
  [
    "console disconnected",
    (g) => on.peer("console", "disconnected", g),
    "!out-of-state*2 degraded*4 = degraded =*3",
  ],
  [
    "agent failed",
    (g) => on.peer("agent", "failed", g),
    "!out-of-state*2 degraded*4 = degraded =*3",
  ],
  [
    "old peer closed",
    (g) => on.peer("agent", "closed", Math.max(1, g - 1)),
    "!out-of-state*2 degraded*4 =*5",
  ],
  ["future peer", (g) => on.peer("agent", "connected", g + 1), "!out-of-state*9 =*2"],
  [
    "fallback to diff-ws",
    () => on.fallback("rtp", "diff-ws"),
    "!out-of-state fallback*7 = !session-ended*2",
  ],
  [
    "fallback to diff-dc",
    () => on.fallback("rtp", "diff-dc"),
    "!out-of-state*3 =*5 connected !session-ended*2",
  ],
  [
    "fallback upwards",
    () => on.fallback("diff-ws", "rtp"),
    "!out-of-state*3 !malformed*6 !session-ended*2",
  ],
  [
    "restored",
    () => on.restored("diff-ws", "rtp"),
    "!out-of-state*3 =*5 connected !session-ended*2",
  ],
  [
    "first picture",
    () => on.restored("none", "rtp", "transport-selected"),
    "!out-of-state*3 =*5 connected !session-ended*2",
  ],
  [
    "select",
    () => on.control("console", { op: "select", transport: "diff-ws", epoch: 1 }),
    "!out-of-state =*10",
  ],
  ["console ends", () => on.ended("console"), "closed*9 =*2"],
  ["agent ends", () => on.ended("agent", "owner-stopped"), "closed*9 =*2"],
  ["agent fails", () => on.ended("agent", "agent-lost"), "failed*9 =*2"],
  ["kill", () => on.kill(), "closed*9 !session-ended*2"],
  ["agent kill", () => on.agentKill("session"), "closed*9 !session-ended*2"],
  ["agent kill desktop", () => on.agentKill("desktop"), "closed*9 =*2"],
  ["agent gone", () => on.link(AGENT_LINK, "gone"), "failed*9 =*2"],
  ["agent lost", () => on.link(AGENT_LINK, "lost"), "=*11"],
  ["agent replaced", () => on.link(AGENT_LINK, "replaced"), "failed*9 =*2"],
  ["console gone", () => on.link(CONSOLE_LINK, "gone"), "failed*9 =*2"],
  ["console lost", () => on.link(CONSOLE_LINK, "lost"), "=*11"],
  ["caps again", () => on.caps(), "=*11"],
  ["same request again", () => on.request(), "=*9 requested*2"],
  ["attach", () => on.attach(), "=*9 !session-not-found*2"],
  ["attach by stranger", () => on.attach("other"), "!forbidden*9 !session-not-found*2"],
];

const SCRIPT_OF = {
  ...SCRIPTS,
  closed: [...SCRIPTS.connected, on.kill()],
  failed: [...SCRIPTS.requested, on.decision("deny")],
};

const expand = (cells: string): string[] =>
  cells.split(" ").flatMap((cell) => {
    const [value, times = "1"] = cell.split("*");
    return Array.from({ length: Number(times) }, () => value);
  });

for (const [name, event, cells] of TABLE) {
  Deno.test(`controller: ${name}, in every stage`, () => {
    const expected = expand(cells);
    assert.equal(expected.length, STAGES.length);
    for (const [i, stage] of STAGES.entries()) {
      const driver = new ControllerDriver().run(...SCRIPT_OF[stage]);
      assert.equal(driver.stage, stage);
      const before = driver.desktop;
      driver.run(event(Math.max(1, driver.session?.negotiation.generation ?? 1)));
      const where = `${stage} + ${name}`;
      if (expected[i].startsWith("!")) {
        assert.equal(driver.rejection, expected[i].slice(1), where);
        assert.equal(driver.desktop, before, `${where}: a rejection changes nothing`);
        continue;
      }
      assert.equal(driver.rejection, undefined, where);
      assert.equal(driver.stage, expected[i] === "=" ? stage : expected[i], where);
      for (const effect of driver.effects) {
        if (effect.kind !== "event" || effect.event.type !== "DESKTOP_WEBRTC_STATE") continue;
        const { previous, stage: next } = effect.event;
        assert.ok(previous === null || previous === next || isLegalEdge(previous, next), where);
      }
    }
  });
}
