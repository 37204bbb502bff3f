/** Events that wait in memory: lost with the process. */
import type { Backlog } from "../../core/telemetry/ports.ts";

export class MemoryBacklog implements Backlog {
  readonly restored = { lines: 0, bytes: 0 };
  #lines: string[] = [];
  /** Lines before this one are gone; the array is shortened now and then. */
  #first = 0;

  append(line: string): void {
    this.#lines.push(line);
  }

  peek(count: number): Promise<readonly string[]> {
    return Promise.resolve(this.#lines.slice(this.#first, this.#first + count));
  }

  drop(count: number): Promise<void> {
    this.#first += count;
    if (this.#first > 1024 && this.#first > this.#lines.length / 2) {
      this.#lines = this.#lines.slice(this.#first);
      this.#first = 0;
    }
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
