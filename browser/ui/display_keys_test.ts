import assert from "node:assert/strict";
import { displayByKey } from "./display_keys.ts";
import type { DisplaysView } from "../core/mod.ts";

const display = (id: string, primary: boolean) => ({ id, name: id, width: 1, height: 1, primary });
const two: DisplaysView = {
  list: [display("A", true), display("B", false)],
  all: true,
  shown: "A",
  switchingTo: null,
  notice: null,
};
const press = (code: string, shiftKey = true) => ({ ctrlKey: true, altKey: true, shiftKey, code });

Deno.test("displayByKey: next, a number, all, and nothing else", () => {
  const rows: [string, DisplaysView, string | null][] = [
    ["KeyD", two, "B"],
    ["KeyD", { ...two, shown: "B" }, "all"],
    ["KeyD", { ...two, shown: "all" }, "A"],
    ["KeyD", { ...two, shown: "B", all: false }, "A"],
    ["KeyD", { ...two, switchingTo: "B" }, "all"],
    ["KeyD", { ...two, list: two.list.slice(1), all: false }, null],
    ["Digit2", two, "B"],
    ["Digit3", two, null],
    ["Digit0", two, "all"],
    ["Digit0", { ...two, all: false }, null],
    ["KeyE", two, null],
  ];
  for (const [code, displays, wanted] of rows) {
    assert.equal(displayByKey(press(code), displays), wanted, code);
  }
  assert.equal(displayByKey(press("KeyD", false), two), null);
});
