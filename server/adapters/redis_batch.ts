/**
 * Writes of many desktops and links in one command. Each is compared and carried out by itself, so
 * what one of them comes to is nothing to the others; what they share is the way to Redis, which
 * costs a node more than what is said on it.
 */
import { Buffer } from "node:buffer";
import { DESKTOPS_TOPIC, nodeTopic, StoreUnavailable } from "../core/ports.ts";
import { type RedisClient, replyError, type Script, scriptOf } from "./redis_client.ts";
import { KEEP } from "./redis_history.ts";
import { channelOf } from "./redis_keys.ts";
import { APPEND, FILL } from "./redis_links.ts";
import { TAKE } from "./redis_places.ts";
import { SAVE, SAVE_BODY } from "./redis_save.ts";

/** Who runs scripts and commands: the client itself, or a batch of them. */
export interface RedisWriter {
  run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown>;
  call(command: string, key: string, ...args: readonly (string | number)[]): Promise<unknown>;
  /** Whether mail is gathered by node: SAVE has then to look at its links. */
  readonly boxes?: boolean;
}

/**
 * What a batch may consist of besides plain commands, in the order in which it is carried out: to
 * a script that has deleted something Redis no longer refuses memory, so what adds comes first.
 */
const SCRIPTS: readonly Script[] = [TAKE, SAVE, KEEP, APPEND, FILL];
const bodyOf = (script: Script): string => script === SAVE ? SAVE_BODY : script.text;
const NUMBERS = new Map(SCRIPTS.map((script, i) => [script, i + 1]));
const COMMAND = SCRIPTS.length + 1;

/**
 * KEYS: those of all, in order. ARGV: numbers, then all arguments as one text. The numbers are how
 * many there are, and of each its script, its keys, its arguments and the bytes of each argument.
 * Answers `{1, answer}` or `{0, error}` for each. Only what stops every write fails as a whole.
 */
export const BATCH = scriptOf(`
local boxes, later = {}, {}
local scripts = {
${SCRIPTS.map((script) => `function(KEYS, ARGV)\n${bodyOf(script)}\nend`).join(",\n")},
  function(KEYS, ARGV) return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2)) end
}
local numbers, text, at, used = string.gmatch(ARGV[1], '%d+'), ARGV[2], 1, 0
local function number() return tonumber(numbers()) end
local answers = {}
for i = 1, number() do
  local script, keys, args = scripts[number()], {}, {}
  local keyCount, argCount = number(), number()
  for j = 1, keyCount do keys[j] = KEYS[used + j] end
  used = used + keyCount
  for j = 1, argCount do
    local size = number()
    args[j], at = string.sub(text, at, at + size - 1), at + size
  end
  local ok, answer = pcall(script, keys, args)
  if ok then answers[i] = { 1, answer }
  else
    local message = type(answer) == 'table' and answer.err or tostring(answer)
    -- A replica: nothing was written, and the connection has to find the master.
    if string.find(message, '^-?READONLY') then return { err = message } end
    answers[i] = { 0, message }
  end
end
for node, box in pairs(boxes) do
  redis.call('PUBLISH', '${channelOf(nodeTopic(""))}' .. node, '[' .. table.concat(box, ',') .. ']')
end
local desktops = {}
for _, notice in ipairs(later) do
  if notice[1] == '${channelOf(DESKTOPS_TOPIC)}' then desktops[#desktops + 1] = notice[2]
  else redis.call('PUBLISH', notice[1], notice[2]) end
end
if #desktops == 1 then redis.call('PUBLISH', '${channelOf(DESKTOPS_TOPIC)}', desktops[1])
elseif #desktops > 1 then
  local list = '[' .. table.concat(desktops, ',') .. ']'
  redis.call('PUBLISH', '${channelOf(DESKTOPS_TOPIC)}', list)
end
return answers
`);

/** More than this many units of text, or writes, are the next batch. */
export const MAX_BATCH_SIZE = 256 * 1024;
export const MAX_BATCH_WRITES = 32;
/** Batches under way: a full one does not wait for the one before it. */
const MAX_UNDER_WAY = 4;

interface Write {
  readonly script: number;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly size: number;
  resolve(answer: unknown): void;
  reject(cause: unknown): void;
}

/**
 * Collects what is asked in one turn of the event loop or while a batch is under way. Alone, a
 * write leaves as soon as it would have by itself. Nothing waits for a Redis that is away: what
 * had to wait then fails with what was sent.
 */
export class RedisBatch implements RedisWriter {
  readonly boxes = true;
  readonly #client: RedisClient;
  #waiting: Write[] = [];
  #underWay = 0;
  #scheduled = false;

  constructor(client: RedisClient) {
    this.#client = client;
  }

  run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    const number = NUMBERS.get(script);
    return number === undefined
      ? this.#client.run(script, keys, args)
      : this.#add(number, keys, args);
  }

  call(command: string, key: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.#add(COMMAND, [key], [command, ...args]);
  }

  #add(
    script: number,
    keys: readonly string[],
    given: readonly (string | number)[],
  ): Promise<unknown> {
    let size = 0;
    const args = given.map((arg) => {
      const text = String(arg);
      size += text.length;
      return text;
    });
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ script, keys, args, size, resolve, reject });
    this.#schedule();
    return promise;
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    const isFull = this.#waiting.length >= MAX_BATCH_WRITES;
    if (this.#underWay >= (isFull ? MAX_UNDER_WAY : 1)) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#send(this.#take());
      this.#schedule();
    });
  }

  #take(): readonly Write[] {
    let count = 0;
    let size = 0;
    for (const write of this.#waiting) {
      size += write.size;
      if (count > 0 && (count === MAX_BATCH_WRITES || size > MAX_BATCH_SIZE)) break;
      count++;
    }
    return this.#waiting.splice(0, count).sort((a, b) => a.script - b.script);
  }

  async #send(writes: readonly Write[]): Promise<void> {
    this.#underWay++;
    try {
      const keys = writes.flatMap((write) => write.keys);
      const answers = await this.#client.run(BATCH, keys, packed(writes), { atOnce: true });
      (answers as [number, unknown][]).forEach(([ok, answer], i) => {
        if (ok === 1) writes[i].resolve(answer);
        else writes[i].reject(replyError(String(answer)));
      });
    } catch (cause) {
      for (const { reject } of writes) reject(cause);
      if (cause instanceof StoreUnavailable) {
        for (const { reject } of this.#waiting.splice(0)) reject(cause);
      }
    } finally {
      this.#underWay--;
      this.#schedule();
    }
  }
}

/** See BATCH. */
function packed(writes: readonly Write[]): readonly string[] {
  const text = writes.map(({ args }) => args.join("")).join("");
  const isAscii = Buffer.byteLength(text) === text.length;
  const sizes = ({ args }: Write) =>
    args.map((arg) => isAscii ? arg.length : Buffer.byteLength(arg)).join(" ");
  const numbers = writes.map((write) =>
    `${write.script} ${write.keys.length} ${write.args.length} ${sizes(write)}`
  );
  return [`${writes.length} ${numbers.join(" ")}`, text];
}
