/** Durations as people write them in settings. */
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a duration such as `90s`, `10m` or `1h30m`; null when it is none. */
export function parseDuration(text: string): number | null {
  if (!/^(?:\d{1,6}[smhd]){1,4}$/.test(text)) return null;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([smhd])/g)) {
    seconds += Number(amount) * UNIT_SECONDS[unit];
  }
  return seconds;
}
