/** The write of a decision: one script compares, writes, and publishes what leaves. */
import {
  type DesktopNotice,
  DESKTOPS_TOPIC,
  type DesktopWrite,
  type Direct,
  linkTopic,
  type Outgoing,
  type Stored,
} from "../core/ports.ts";
import { summaryOf } from "../core/views.ts";
import { draftsOf } from "./direct_writes.ts";
import { scriptOf } from "./redis_client.ts";
import { type Change, changeOf, STORE_VERSION } from "./redis_codec.ts";
import { channelOf, linkKey, mailKey, stateKey } from "./redis_keys.ts";
import { numberAt } from "./shared_link.ts";

/**
 * KEYS: state, then the mail's and links' keys, then those of links that are only looked at.
 * ARGV: keys but the last, revision, stateMs, linkMs, delete?, links with messages dealt with, (key
 * index, first and last number)…, sets, (field, value)…, drops, field…, links with mail, (mail's
 * and link's key index or 0, link, tell?, drafts, draft…)…, notices, (channel, message)…, prefix,
 * start of a change, directs, (link's and mail's key index, owner, acked, field of the mail taken,
 * link, messages, (seq, draft without its brace, numbers)…)…
 *
 * `saved`, `duplicate`, `conflict`, or the indices of the directs that went as mail. In a batch of
 * writes `boxes` gathers what is sent to links of each node, and `later` the notices, which must not
 * overtake what tells the change itself; else it is false.
 */
export const SAVE_BODY = `
local at = 1
local function take() at = at + 1 return ARGV[at - 1] end
local own, revision = tonumber(take()), tonumber(take())
local stateMs, linkMs, delete = take(), take(), take() == '1'
-- A foreign key breaks the script here, before anything is written.
for i = 2, own do redis.call('HLEN', KEYS[i]) end
local handled = {}
for i = 1, tonumber(take()) do
  handled[i] = { KEYS[tonumber(take())], tonumber(take()), take() }
  if tonumber(redis.call('HGET', handled[i][1], 'q') or '0') >= handled[i][2] then
    return 'duplicate'
  end
end
if tonumber(redis.call('HGET', KEYS[1], 'rev') or '0') ~= revision then return 'conflict' end
if delete then redis.call('DEL', KEYS[1]) end
local fields = {}
for _ = 1, 2 * tonumber(take()) do fields[#fields + 1] = take() end
local sets = #fields
local drops = {}
for _ = 1, tonumber(take()) do drops[#drops + 1] = take() end
if not delete then
  fields[#fields + 1], fields[#fields + 2] = 'rev', revision + 1
  redis.call('HSET', KEYS[1], unpack(fields))
  if #drops > 0 then redis.call('HDEL', KEYS[1], unpack(drops)) end
  redis.call('PEXPIRE', KEYS[1], stateMs)
end
for _, one in ipairs(handled) do redis.call('HSET', one[1], 'q', one[3]) end
local mails = {}
for i = 1, tonumber(take()) do
  mails[i] = { KEYS[tonumber(take())], KEYS[tonumber(take())], take(), take() == '1', {} }
  for j = 1, tonumber(take()) do mails[i][5][j] = take() end
end
local notices = {}
for i = 1, tonumber(take()) do notices[i] = { take(), take() } end
local prefix, start = take(), take()
local change
local function changed()
  if not change then
    local set = {}
    for i = 1, sets, 2 do set[#set + 1] = '"' .. fields[i] .. '":' .. fields[i + 1] end
    change = start .. revision + 1 .. ',"set":{' .. table.concat(set, ',') .. '}}'
  end
  return change
end
-- Where the link's owner takes several desktops' mail as one message; an older node does not.
local function boxOf(key)
  if not boxes or not key then return nil end
  local found = redis.pcall('HMGET', key, 'token', 'box', 'node')
  if found.err or not found[1] or found[1] ~= found[2] or not found[3] then return nil end
  boxes[found[3]] = boxes[found[3]] or {}
  return boxes[found[3]]
end
local told = {}
local function post(mail, key, link, tell, drafts)
  local before = redis.call('HINCRBY', mail, 'n', #drafts) - #drafts
  local set = {}
  for i, draft in ipairs(drafts) do set[2 * i - 1], set[2 * i] = 'm:' .. before + i, draft end
  redis.call('HSET', mail, unpack(set))
  local box = boxOf(key)
  if not box then
    for i, draft in ipairs(drafts) do
      local said = prefix .. before + i .. ',"draft":' .. draft .. (tell and changed() or '')
      redis.call('PUBLISH', '${channelOf(linkTopic(""))}' .. link, '{' .. said .. '}')
      tell = false
    end
    return
  end
  local said = prefix .. before + 1 .. ',"drafts":[' .. table.concat(drafts, ',') .. ']'
  -- Each node needs to be told once.
  if tell and not told[box] then said = said .. changed() end
  told[box] = told[box] or tell
  box[#box + 1] = '{"linkId":' .. cjson.encode(link) .. ',' .. said .. '}'
end
for _, mail in ipairs(mails) do post(unpack(mail)) end
local posted = {}
for d = 1, tonumber(take()) do
  local key, mail = KEYS[tonumber(take())], KEYS[tonumber(take())]
  local owner, acked, taken, link = take(), tonumber(take()), take(), take()
  local count = tonumber(take())
  local first = tonumber(ARGV[at])
  local token, sent, trimmed, last = unpack(redis.call('HMGET', key, 'token', 'sent', 'acked', taken))
  -- A fail-over may have lost what was sent, so that fewer than the owner knows are no obstacle.
  local ours = token == owner and sent and tonumber(sent) < first
  if ours and last and tonumber(last) == tonumber(redis.call('HGET', mail, 'n') or '0') then
    local set = { 'sent', first + count - 1 }
    for _ = 1, count do
      local seq, draft, numbers = take(), take(), take()
      set[#set + 1], set[#set + 2] = 'u:' .. seq, draft .. numbers
    end
    local upto, gone = math.min(acked, tonumber(sent)), {}
    for seq = tonumber(trimmed or '0') + 1, upto do gone[#gone + 1] = 'u:' .. seq end
    if #gone > 0 and #gone < 1000 then
      redis.call('HDEL', key, unpack(gone))
      set[#set + 1], set[#set + 2] = 'acked', upto
    end
    redis.call('HSET', key, unpack(set))
  else
    local drafts = {}
    for i = 1, count do
      take()
      drafts[i] = take() .. '}'
      take()
    end
    post(mail, key, link, false, drafts)
    posted[#posted + 1] = d
  end
end
for _, notice in ipairs(notices) do
  if boxes then later[#later + 1] = notice else redis.call('PUBLISH', notice[1], notice[2]) end
end
for i = 2, own do redis.call('PEXPIRE', KEYS[i], linkMs) end
if #posted > 0 then return posted end
return 'saved'
`;

/** A write by itself. */
export const SAVE = scriptOf(`local boxes = false${SAVE_BODY}`);

export interface SaveTimes {
  readonly desktopMs: number;
  readonly linkMs: number;
  /** Whether mail may be gathered by the nodes of its links, for which those are looked at. */
  readonly boxes: boolean;
}

/** Keys and arguments of SAVE. */
export function saveArguments(
  desktopId: string,
  write: DesktopWrite,
  { before, desktopMs, linkMs, boxes }: SaveTimes & { readonly before: Stored | null },
) {
  const { desktop, out = [], handled = [], direct = [], away = [] } = write;
  const corrupt = (before?.corrupt ?? []).map((c) => `s:${c.sessionId}`);
  const change = desktop === null
    ? { set: [], drop: [] }
    // The list of sessions must no longer name the corrupt ones.
    : changeOf(before?.desktop ?? null, desktop, { head: corrupt.length > 0 });
  const keys = [stateKey(desktopId)];
  const indexOf = new Map<string, number>();
  const index = (key: string): number => {
    const known = indexOf.get(key);
    if (known !== undefined) return known;
    keys.push(key);
    indexOf.set(key, keys.length);
    return keys.length;
  };
  const mailIndex = (linkId: string) => index(mailKey(desktopId, linkId));
  const runs = new Map<string, { readonly first: number; last: number }>();
  for (const { linkId, seq } of handled) {
    const run = runs.get(linkId);
    if (run === undefined) runs.set(linkId, { first: seq, last: seq });
    else run.last = seq;
  }
  const told = desktop !== null && corrupt.length === 0 && isTellable(change)
    ? new Set(away.slice(0, MAX_TOLD))
    : new Set();
  const notices = out.filter((o): o is Extract<Outgoing, { kind: "notice" }> =>
    o.kind === "notice"
  );
  const revision = before?.revision ?? 0;
  const notice: DesktopNotice = {
    desktopId,
    revision: desktop === null ? null : revision + 1,
    ...(desktop === null ? {} : { summary: summaryOf(desktop) }),
  };
  const drops = [...change.drop, ...corrupt];
  const dealtWith = [...runs].flatMap(([linkId, { first, last }]) => [
    ...[mailIndex(linkId), first, last],
  ]);
  const directs = direct.flatMap((one) => [
    index(linkKey(one.linkId)),
    mailIndex(one.linkId),
    ...directArguments(desktopId, one),
  ]);
  const mails = draftsOf(out);
  for (const linkId of mails.keys()) mailIndex(linkId);
  const own = keys.length;
  const args = [
    ...[own, revision, desktopMs, linkMs, desktop === null ? "1" : "0", runs.size, ...dealtWith],
    ...[change.set.length, ...change.set.flat(), drops.length, ...drops, mails.size],
    ...[...mails].flatMap(([linkId, drafts]) => [
      mailIndex(linkId),
      boxes ? index(linkKey(linkId)) : 0,
      linkId,
      told.has(linkId) ? "1" : "0",
      drafts.length,
      ...drafts.map((draft) => JSON.stringify(draft)),
    ]),
    notices.length,
    ...notices.flatMap(({ topic, message }) => [
      channelOf(topic),
      JSON.stringify(topic === DESKTOPS_TOPIC ? notice : message),
    ]),
    ...[`"desktopId":${JSON.stringify(desktopId)},"n":`, CHANGE_START, direct.length],
    ...directs,
  ];
  return { keys, args };
}

/** See Told. */
const CHANGE_START = `,"change":{"v":${STORE_VERSION},"rev":`;

/** Nodes that are told a change; more than these read it themselves when they need it. */
const MAX_TOLD = 4;
/** A change of more UTF-16 units is read by those who need it. */
const MAX_TOLD_SIZE = 32_768;

/** Whether its fields may be written as a JSON object, and are few enough to be sent along. */
const isTellable = ({ set }: Change): boolean =>
  set.every(([field]) => /^[\w:-]+$/.test(field)) &&
  set.reduce((sum, [, value]) => sum + value.length, 0) <= MAX_TOLD_SIZE;

const directArguments = (desktopId: string, { linkId, owner, acked, entries }: Direct) => [
  ...[owner, acked, `c:${desktopId}`, linkId, entries.length],
  ...entries.flatMap(({ seq, text }) => {
    const at = numberAt(text);
    return [seq, text.slice(0, at), text.slice(at)];
  }),
];
