/**
 * The painted clock: the time in milliseconds as one row of black and white cells. The same
 * layout is read back by the page under test (`console_page.ts`).
 *
 *   cell  0 white, 1 black      sync
 *   cells 2..33                 milliseconds since 1970 modulo 2^32, highest bit first
 *   cells 34..37                checksum: exclusive or of the eight nibbles
 *   cell  38 black, 39 white    sync
 */
export const CELL_PX = 16;
export const CELLS = 40;
export const CLOCK_WIDTH_PX = CELL_PX * CELLS;

/** The cells of a time, true for white. */
export function clockCells(timeMs: number): boolean[] {
  const value = timeMs % 2 ** 32 >>> 0;
  const cells = [true, false];
  for (let bit = 31; bit >= 0; bit--) cells.push((value >>> bit & 1) === 1);
  const sum = checksum(value);
  for (let bit = 3; bit >= 0; bit--) cells.push((sum >>> bit & 1) === 1);
  cells.push(false, true);
  return cells;
}

/** The time modulo 2^32 that the cells say, or null when they are torn or no clock. */
export function readClockCells(cells: readonly boolean[]): number | null {
  if (cells.length !== CELLS || !cells[0] || cells[1] || cells[38] || !cells[39]) return null;
  let value = 0;
  for (let i = 2; i < 34; i++) value = (value << 1 | (cells[i] ? 1 : 0)) >>> 0;
  let sum = 0;
  for (let i = 34; i < 38; i++) sum = sum << 1 | (cells[i] ? 1 : 0);
  return sum === checksum(value) ? value : null;
}

function checksum(value: number): number {
  let sum = 0;
  for (let shift = 0; shift < 32; shift += 4) sum ^= value >>> shift & 15;
  return sum;
}
