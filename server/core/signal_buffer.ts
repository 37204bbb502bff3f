/**
 * Signals that wait: for an end that is away, or for the description they belong to (a candidate
 * may not overtake its offer or answer). Bounded by MAX_BUFFERED_SIGNALS and, one description
 * apart, by MAX_BUFFERED_SIGNAL_BYTES.
 */
import {
  MAX_BUFFERED_SIGNAL_BYTES,
  MAX_BUFFERED_SIGNALS,
  never,
  type Signal,
} from "@farglass/protocol";

/** Adds a signal; null when the buffer is full. One place is kept for a description. */
export function hold(buffer: readonly Signal[], signal: Signal): readonly Signal[] | null {
  if (buffer.length >= MAX_BUFFERED_SIGNALS - 1) return null;
  const waiting = buffer.reduce((sum, s) => sum + textLength(s), 0);
  if (waiting + textLength(signal) > MAX_BUFFERED_SIGNAL_BYTES) return null;
  return [...buffer, signal];
}

/** What a signal holds that its sender chose; candidates and names are ASCII, so these are bytes. */
function textLength(signal: Signal): number {
  switch (signal.kind) {
    case "ice-candidate":
      return signal.candidate.length + (signal.sdpMid?.length ?? 0);
    case "offer":
    case "answer":
    case "ice-end":
    case "restart":
      return 0;
    default:
      return never(signal);
  }
}

/**
 * Puts a new description before the candidates of its generation that came too early, and drops
 * what belongs to older generations.
 */
export function holdDescription(
  buffer: readonly Signal[],
  description: Signal & { readonly kind: "offer" | "answer" },
): readonly Signal[] {
  return [description, ...buffer.filter((s) => s.generation >= description.generation)];
}

/**
 * What may go out now, in order, and what stays. `described` is the newest generation whose
 * description this end has been sent or stands in the buffer.
 */
export function release(
  buffer: readonly Signal[],
  described: number,
): { readonly out: readonly Signal[]; readonly rest: readonly Signal[] } {
  const out: Signal[] = [];
  const rest: Signal[] = [];
  for (const signal of buffer) {
    const candidate = signal.kind === "ice-candidate" || signal.kind === "ice-end";
    if (!candidate || signal.generation <= described) out.push(signal);
    else rest.push(signal);
  }
  return { out, rest };
}
