import assert from "node:assert/strict";
import { CELLS, clockCells, readClockCells } from "./clock_cells.ts";

const TIMES = [0, 1, 2 ** 32 - 1, 0x55555555, 0xaaaaaaaa, 1_790_000_000_000];

for (const time of TIMES) {
  Deno.test(`clock cells: ${time} is read as it was painted`, () => {
    const cells = clockCells(time);
    assert.equal(cells.length, CELLS);
    assert.equal(readClockCells(cells), time % 2 ** 32);
  });

  Deno.test(`clock cells: ${time} with any one cell wrong is no time`, () => {
    for (let at = 0; at < CELLS; at++) {
      const cells = clockCells(time);
      cells[at] = !cells[at];
      assert.equal(readClockCells(cells), null, `cell ${at}`);
    }
  });
}

Deno.test("clock cells: a row of one colour and a short row are no time", () => {
  for (const cells of [Array(CELLS).fill(true), Array(CELLS).fill(false), [true, false]]) {
    assert.equal(readClockCells(cells), null);
  }
});
