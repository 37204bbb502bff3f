/**
 * How late the event loop is. The library's own measure reads a Node counter that stays near zero
 * on this runtime, even while a loop of 200 ms blocks everything.
 */

/** Often enough to meet most stalls, and ten times a second costs nothing. */
const EVERY_MS = 100;

/** Calls `observe` with the seconds by which each beat came late; returns the way to stop. */
export function watchEventLoop(
  observe: (lagSeconds: number) => void,
  now: () => number = () => performance.now(),
): () => void {
  let due = now() + EVERY_MS;
  const timer = setInterval(() => {
    const at = now();
    observe(Math.max(0, at - due) / 1_000);
    due = at + EVERY_MS;
  }, EVERY_MS);
  Deno.unrefTimer(timer);
  return () => clearInterval(timer);
}
