/** So that not all who are sent away come back at once. */
const ROUNDS = 20;
const FEWEST_PER_ROUND = 10;

/** Calls `run` for each item, spread over `windowMs`; few items are done at once. */
export async function inRounds<T>(
  items: readonly T[],
  windowMs: number,
  run: (item: T) => void,
): Promise<void> {
  const perRound = Math.max(FEWEST_PER_ROUND, Math.ceil(items.length / ROUNDS));
  for (let at = 0; at < items.length; at += perRound) {
    if (at > 0) await new Promise<void>((resolve) => setTimeout(resolve, windowMs / ROUNDS));
    for (const item of items.slice(at, at + perRound)) run(item);
  }
}
