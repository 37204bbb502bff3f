/** The trend of a noisy series. */

/**
 * The median of the slopes between every two points (Theil 1950, Sen 1968): up to 29 % of the
 * points may lie anywhere, as those do that were taken while something else kept the machine busy.
 * Null when no two points differ in x.
 */
export function theilSenSlope(points: readonly (readonly [number, number])[]): number | null {
  const slopes: number[] = [];
  for (const [i, [x, y]] of points.entries()) {
    for (const [laterX, laterY] of points.slice(i + 1)) {
      if (laterX !== x) slopes.push((laterY - y) / (laterX - x));
    }
  }
  if (slopes.length === 0) return null;
  slopes.sort((a, b) => a - b);
  const middle = slopes.length >> 1;
  return slopes.length % 2 === 1 ? slopes[middle] : (slopes[middle - 1] + slopes[middle]) / 2;
}
