import type { CursorShape } from "./ports.ts";

/** `#` black, `o` white. */
const ARROW = [
  "#...........",
  "##..........",
  "#o#.........",
  "#oo#........",
  "#ooo#.......",
  "#oooo#......",
  "#ooooo#.....",
  "#oooooo#....",
  "#ooooooo#...",
  "#oooooooo#..",
  "#ooooooooo#.",
  "#oooooo#####",
  "#ooo#oo#....",
  "#oo##oo#....",
  "#o#..#oo#...",
  "##...#oo#...",
  "#.....#oo#..",
  "......#oo#..",
  ".......##...",
];

/** An ordinary arrow, for desktops that have no cursor of their own or do not show it to us. */
export const ARROW_CURSOR: CursorShape = {
  width: ARROW[0].length,
  height: ARROW.length,
  hotX: 0,
  hotY: 0,
  rgba: Uint8Array.from(
    ARROW.flatMap((row) =>
      [...row].flatMap((cell) => {
        if (cell === ".") return [0, 0, 0, 0];
        return cell === "o" ? [255, 255, 255, 255] : [0, 0, 0, 255];
      })
    ),
  ),
};
