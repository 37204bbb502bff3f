/** How alike two pictures look: the mean structural similarity of their brightness (Wang et al. 2004). */
import type { Picture } from "./xshot.ts";

/** Windows without overlap: what is compared is a whole screen, not its edges. */
const WINDOW_PX = 8;
/** (0.01 × 255)² and (0.03 × 255)², as in the paper. */
const C1 = 6.5025;
const C2 = 58.5225;

/** 1 for equal pictures, less the more they differ; 0 when their sizes differ. */
export function ssim(a: Picture, b: Picture): number {
  if (a.width !== b.width || a.height !== b.height) return 0;
  const left = lumaOf(a);
  const right = lumaOf(b);
  let sum = 0;
  let count = 0;
  for (let y = 0; y + WINDOW_PX <= a.height; y += WINDOW_PX) {
    for (let x = 0; x + WINDOW_PX <= a.width; x += WINDOW_PX) {
      sum += windowSsim(left, right, { at: y * a.width + x, stride: a.width });
      count++;
    }
  }
  return count === 0 ? 0 : sum / count;
}

function windowSsim(
  a: Float32Array,
  b: Float32Array,
  place: { readonly at: number; readonly stride: number },
): number {
  let sumA = 0, sumB = 0, squaresA = 0, squaresB = 0, products = 0;
  for (let dy = 0; dy < WINDOW_PX; dy++) {
    const row = place.at + dy * place.stride;
    for (let i = row; i < row + WINDOW_PX; i++) {
      sumA += a[i];
      sumB += b[i];
      squaresA += a[i] * a[i];
      squaresB += b[i] * b[i];
      products += a[i] * b[i];
    }
  }
  const n = WINDOW_PX * WINDOW_PX;
  const meanA = sumA / n;
  const meanB = sumB / n;
  const varianceA = squaresA / n - meanA * meanA;
  const varianceB = squaresB / n - meanB * meanB;
  const covariance = products / n - meanA * meanB;
  return (2 * meanA * meanB + C1) * (2 * covariance + C2) /
    ((meanA * meanA + meanB * meanB + C1) * (varianceA + varianceB + C2));
}

/** ITU-R BT.601. */
function lumaOf({ width, height, rgba }: Picture): Float32Array {
  const luma = new Float32Array(width * height);
  for (let i = 0, at = 0; i < luma.length; i++, at += 4) {
    luma[i] = 0.299 * rgba[at] + 0.587 * rgba[at + 1] + 0.114 * rgba[at + 2];
  }
  return luma;
}
