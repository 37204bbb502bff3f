/** A program that the demo runs and looks after. */

/** Last lines of a child's log that are shown when it ends unexpectedly. */
const KEPT_LINES = 30;

export interface ChildOptions {
  /** As a person would call it, e.g. `agent`. */
  readonly name: string;
  /** Arguments of this very Deno. */
  readonly args: readonly string[];
  readonly cwd: string;
  /** Takes each line of the child's log as it comes. */
  readonly onLog: (line: string) => void;
}

export class Child {
  /** Resolves when the child has ended. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #log: string[] = [];

  constructor(readonly options: ChildOptions) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [...options.args],
      cwd: options.cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#process.stdin.getWriter();
    this.#lines = lines(this.#process.stdout).getReader();
    const logRead = this.#readLog();
    this.ended = this.#process.status.then(async (status) => {
      await logRead;
      return status;
    });
  }

  async #readLog(): Promise<void> {
    for await (const line of lines(this.#process.stderr)) {
      this.#log.push(line);
      if (this.#log.length > KEPT_LINES) this.#log.shift();
      this.options.onLog(line);
    }
  }

  /** The next line of standard output as JSON, or null when the child has ended. */
  async nextJson(): Promise<Record<string, unknown> | null> {
    const { value, done } = await this.#lines.read();
    return done ? null : JSON.parse(value);
  }

  /** Presses Enter in the child. */
  async enter(): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode("\n"));
  }

  /** The last lines of its log. */
  lastWords(): readonly string[] {
    return this.#log;
  }

  /** Ends the child: asks, and after `graceMs` insists. */
  async stop(graceMs: number): Promise<void> {
    // As Ctrl-C does: SIGTERM would have the server wait for its clients to move elsewhere.
    this.#signal(Deno.build.os === "windows" ? "SIGTERM" : "SIGINT");
    const timer = setTimeout(() => this.#signal("SIGKILL"), graceMs);
    await this.#process.status;
    clearTimeout(timer);
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Splits a byte stream into lines. */
function lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  let rest = "";
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(
    new TransformStream<string, string>({
      transform(chunk, controller) {
        const parts = (rest + chunk).split("\n");
        rest = parts.pop() ?? "";
        for (const part of parts) controller.enqueue(part);
      },
      flush(controller) {
        if (rest !== "") controller.enqueue(rest);
      },
    }),
  );
}
