/** Asks the owner on the terminal, one question at a time. */
import {
  type ConsentAnswer,
  consentQuestion,
  type ConsentRequest,
  readConsent,
  type SharedParts,
} from "../core/consent.ts";

export interface ConsentPrompt {
  ask(id: string, request: ConsentRequest, onAnswer: (answer: ConsentAnswer) => void): void;
  /** The question has no use any more. */
  cancel(id: string): void;
  close(): void;
}

/** The terminal's lines and a place to write the question. */
export interface Terminal {
  readonly lines: ReadableStream<Uint8Array>;
  write(text: string): void;
}

interface Question {
  readonly id: string;
  readonly request: ConsentRequest;
  readonly onAnswer: (answer: ConsentAnswer) => void;
}

const MAX_LINE = 1024;
/** Nobody reads a question and answers it faster; what comes sooner was typed for something else. */
export const MIN_READING_MS = 400;

/**
 * Prompts on `terminal`; lines that no question waits for are ignored, and so is what was typed
 * before the question could be read: a yes counts only for the operator whose name it stands under.
 */
export function openConsentPrompt(
  terminal: Terminal,
  { nowMs = () => performance.now(), ...shared }: SharedParts & { readonly nowMs?: () => number },
): ConsentPrompt {
  const queue: Question[] = [];
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  let closed = false;
  let shownAtMs = 0;

  const write = () => {
    if (queue.length > 0) terminal.write(consentQuestion(queue[0].request, shared));
  };
  const show = () => {
    shownAtMs = nowMs();
    write();
  };
  const onLine = (line: string) => {
    if (queue.length === 0) return;
    if (nowMs() - shownAtMs < MIN_READING_MS) return write();
    queue.shift()?.onAnswer(readConsent(line));
    show();
  };
  const read = async () => {
    reader = terminal.lines.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
      if (done || closed) return;
      text += decoder.decode(value, { stream: true });
      const lines = text.split("\n");
      text = (lines.pop() ?? "").slice(-MAX_LINE);
      lines.forEach(onLine);
    }
  };

  return {
    ask: (id, request, onAnswer) => {
      queue.push({ id, request, onAnswer });
      if (queue.length === 1) show();
      // Read only once something was asked: until then the terminal is not ours.
      if (reader === null) read();
    },
    cancel: (id) => {
      const at = queue.findIndex((q) => q.id === id);
      if (at < 0) return;
      queue.splice(at, 1);
      if (at !== 0) return;
      terminal.write("\nNo answer is needed any more.\n");
      show();
    },
    close: () => {
      closed = true;
      queue.length = 0;
      reader?.cancel().catch(() => {});
    },
  };
}

/** Standard input and error, or null when nobody sits there. */
export function ownTerminal(): Terminal | null {
  if (!Deno.stdin.isTerminal()) return null;
  const encoder = new TextEncoder();
  return {
    lines: Deno.stdin.readable,
    write: (text) => {
      Deno.stderr.writeSync(encoder.encode(text));
    },
  };
}
