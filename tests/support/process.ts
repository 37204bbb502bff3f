/** Child processes for tests: line by line, bounded, and never left behind. */

/** Lines kept per stream; a longer log forgets its beginning. */
const MAX_LINES = 5_000;
const MAX_LINE_CHARS = 16 * 1024;
const REPORTED_LINES = 30;
const STOP_GRACE_MS = 8_000;

export interface SpawnOptions {
  /** Stands before every line in reports. */
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** When true only `env` is passed on. */
  readonly clearEnv?: boolean;
  readonly cwd?: string;
}

export interface SpawnedProcess extends AsyncDisposable {
  readonly pid: number;
  readonly name: string;
  /** The last lines of each stream, oldest first. */
  readonly stdoutLines: readonly string[];
  readonly stderrLines: readonly string[];
  /** Resolves when the process has ended and both streams are read to the end. */
  readonly exited: Promise<Deno.CommandStatus>;
  /** Number of lines read so far on both streams; pass it to `waitForLine` to see later ones only. */
  mark(): number;
  /** The first line (of either stream, from `from` on) that matches; fails when the process ends. */
  waitForLine(pattern: RegExp, timeoutMs?: number, from?: number): Promise<RegExpExecArray>;
  /** Writes a line, then waits for a later line that matches. */
  ask(line: string, pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  write(line: string): Promise<void>;
  /** Ends the process: `signal` (SIGTERM), after 8 s SIGKILL. Safe to call twice. */
  stop(signal?: Deno.Signal): Promise<Deno.CommandStatus>;
  /** The last lines of both streams, for an error message. */
  report(): string;
}

interface Waiter {
  readonly pattern: RegExp;
  readonly from: number;
  resolve(match: RegExpExecArray): void;
  reject(error: Error): void;
}

/** Starts a process; see `SpawnedProcess`. */
export function spawnProcess(options: SpawnOptions): SpawnedProcess {
  const child = new Deno.Command(options.command, {
    args: [...options.args ?? []],
    env: { ...options.env },
    clearEnv: options.clearEnv ?? false,
    cwd: options.cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return new Spawned(options.name, child);
}

class Spawned implements SpawnedProcess {
  readonly pid: number;
  readonly exited: Promise<Deno.CommandStatus>;
  readonly #all: { readonly index: number; readonly text: string }[] = [];
  readonly #out: string[] = [];
  readonly #err: string[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #count = 0;
  #ended = false;

  constructor(readonly name: string, private readonly child: Deno.ChildProcess) {
    this.pid = child.pid;
    this.#stdin = child.stdin.getWriter();
    this.exited = this.#run();
  }

  get stdoutLines(): readonly string[] {
    return this.#out;
  }
  get stderrLines(): readonly string[] {
    return this.#err;
  }

  async #run(): Promise<Deno.CommandStatus> {
    const [status] = await Promise.all([
      this.child.status,
      this.#read(this.child.stdout, this.#out),
      this.#read(this.child.stderr, this.#err),
    ]);
    this.#ended = true;
    for (const waiter of this.#waiters) {
      waiter.reject(
        new Error(`"${this.name}" ended before ${waiter.pattern} came\n${this.report()}`),
      );
    }
    this.#waiters.clear();
    // The pipe may already be broken by the end of the process.
    await this.#stdin.close().catch(() => {});
    return status;
  }

  async #read(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = (parts.pop() ?? "").slice(-MAX_LINE_CHARS);
      for (const part of parts) this.#line(part.slice(0, MAX_LINE_CHARS), lines);
    }
    if (rest !== "") this.#line(rest, lines);
  }

  #line(text: string, lines: string[]): void {
    lines.push(text);
    if (lines.length > MAX_LINES) lines.shift();
    const index = this.#count++;
    this.#all.push({ index, text });
    if (this.#all.length > MAX_LINES) this.#all.shift();
    for (const waiter of this.#waiters) {
      const match = index >= waiter.from ? waiter.pattern.exec(text) : null;
      if (match !== null) {
        this.#waiters.delete(waiter);
        waiter.resolve(match);
      }
    }
  }

  mark(): number {
    return this.#count;
  }

  waitForLine(pattern: RegExp, timeoutMs = 20_000, from = 0): Promise<RegExpExecArray> {
    for (const { index, text } of this.#all) {
      const match = index >= from ? pattern.exec(text) : null;
      if (match !== null) return Promise.resolve(match);
    }
    if (this.#ended) {
      return Promise.reject(
        new Error(`"${this.name}" ended before ${pattern} came\n${this.report()}`),
      );
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(
          new Error(`"${this.name}": no ${pattern} within ${timeoutMs} ms\n${this.report()}`),
        );
      }, timeoutMs);
      const waiter: Waiter = {
        pattern,
        from,
        resolve: (match) => (clearTimeout(timer), resolve(match)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      };
      this.#waiters.add(waiter);
    });
  }

  async ask(line: string, pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    const from = this.mark();
    await this.write(line);
    return await this.waitForLine(pattern, timeoutMs, from);
  }

  async write(line: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    this.#signal(signal);
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_GRACE_MS);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.child.kill(signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  report(): string {
    const tail = (kind: string, lines: string[]) =>
      lines.slice(-REPORTED_LINES).map((line) => `  ${this.name} ${kind}| ${line}`);
    return [...tail("stdout", this.#out), ...tail("stderr", this.#err)].join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A promise's value, or an error naming `what` after `timeoutMs`. */
export async function within<T>(what: string, timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Repeats `probe` until it gives something other than null; for outside facts that send no event. */
export async function poll<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | null> | T | null,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  while (true) {
    const value = await probe();
    if (value !== null) return value;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
