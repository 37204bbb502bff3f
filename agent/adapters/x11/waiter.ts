import { fixedBytes } from "./layout.ts";
import type { X11Libraries } from "./libraries.ts";

const POLLIN = 1;
const POLLERR = 8;
const POLLHUP = 16;
const POLLNVAL = 32;
/** EFD_CLOEXEC | EFD_NONBLOCK. */
const EVENTFD_FLAGS = 0o2000000 | 0o4000;
const NANOSECONDS_PER_MS = 1e6;

/** Waits for a descriptor to become readable, on a thread of the runtime, without a timer. */
export class Waiter {
  readonly #c: X11Libraries["c"];
  readonly #wakeDescriptor: number;
  /** struct pollfd[2]: the watched descriptor and the wake-up one. */
  readonly #polls = fixedBytes(16);
  readonly #pollView = new DataView(this.#polls.buffer);
  readonly #timeout = fixedBytes(16);
  readonly #timeoutView = new DataView(this.#timeout.buffer);

  constructor({ c }: X11Libraries, descriptor: number) {
    this.#c = c;
    this.#wakeDescriptor = c.eventfd(0, EVENTFD_FLAGS);
    if (this.#wakeDescriptor < 0) throw new Error("No descriptor left for eventfd");
    this.#pollView.setInt32(0, descriptor, true);
    this.#pollView.setInt16(4, POLLIN, true);
    this.#pollView.setInt32(8, this.#wakeDescriptor, true);
    this.#pollView.setInt16(12, POLLIN, true);
  }

  /**
   * Resolves when there is something to read, when `wake` was called, or after `timeoutMs`
   * (null waits for ever); false when the other end hung up.
   */
  async wait(timeoutMs: number | null): Promise<boolean> {
    let timeout: Uint8Array<ArrayBuffer> | null = null;
    if (timeoutMs !== null) {
      const wholeSeconds = Math.floor(timeoutMs / 1000);
      const nanoseconds = Math.floor((timeoutMs - wholeSeconds * 1000) * NANOSECONDS_PER_MS);
      this.#timeoutView.setBigInt64(0, BigInt(wholeSeconds), true);
      this.#timeoutView.setBigInt64(8, BigInt(nanoseconds), true);
      timeout = this.#timeout;
    }
    this.#pollView.setInt16(6, 0, true);
    // A negative result (EINTR) leaves revents empty: the caller looks and waits again.
    await this.#c.ppoll(this.#polls, 2n, timeout, null);
    return (this.#pollView.getInt16(6, true) & (POLLHUP | POLLERR | POLLNVAL)) === 0;
  }

  /** Ends the current and every later wait at once; the eventfd is never read. */
  wake(): void {
    const one = fixedBytes(8);
    one[0] = 1;
    this.#c.write(this.#wakeDescriptor, one, 8n);
  }

  /** Call it when no wait is under way. */
  close(): void {
    this.#c.close(this.#wakeDescriptor);
  }
}
