/** Single-use secrets with a lifetime. Tokens come from the shell's randomness. */
export interface OnceState {
  readonly entries: ReadonlyMap<string, { readonly value: string; readonly expiresAtMs: number }>;
}

/** More than this many waiting at once is an attack, not use. */
export const MAX_ONCE_ENTRIES = 1024;
export const SIGN_IN_LINK_TTL_MS = 10 * 60 * 1000;
export const TICKET_TTL_MS = 30_000;
export const CHALLENGE_TTL_MS = 30_000;

export const noOnce: OnceState = { entries: new Map() };

/** Adds a token; null when too many wait. Expired ones make room. */
export function onceAdd(
  state: OnceState,
  entry: { readonly token: string; readonly value: string; readonly expiresAtMs: number },
  now: number,
): OnceState | null {
  const entries = new Map([...state.entries].filter(([, e]) => e.expiresAtMs > now));
  if (entries.size >= MAX_ONCE_ENTRIES) return null;
  entries.set(entry.token, { value: entry.value, expiresAtMs: entry.expiresAtMs });
  return { entries };
}

/** Uses a token up; `value` is null when it is unknown, used or expired. */
export function onceTake(
  state: OnceState,
  token: string,
  now: number,
): { readonly state: OnceState; readonly value: string | null } {
  const found = state.entries.get(token);
  if (found === undefined) return { state, value: null };
  const entries = new Map(state.entries);
  entries.delete(token);
  return { state: { entries }, value: found.expiresAtMs > now ? found.value : null };
}
