import assert from "node:assert/strict";
import type { Draft } from "@farglass/protocol";
import { type LinkBatch, type LinkStore, type MailRef, StoreUnavailable } from "../core/ports.ts";
import { SharedLink } from "./shared_link.ts";

const DESKTOP = "11111111-1111-4111-8111-111111111111";
const draft = (n: number): Draft => ({
  type: "VIEWER_CONTROL",
  desktopId: DESKTOP,
  sessionId: DESKTOP,
  payload: { op: "select", transport: "rtp", epoch: n },
});

/** A store with mail, that may be away or have given the link to another. */
class FakeStore implements LinkStore {
  mail: { n: number; draft: Draft }[] = [];
  kept: LinkBatch["entries"][number][] = [];
  owner = "me";
  away = 0;

  #here<T>(value: T): Promise<T> {
    if (this.away-- > 0) return Promise.reject(new StoreUnavailable("away"));
    return Promise.resolve(value);
  }
  create = () => this.#here(undefined);
  claim = () => this.#here(null);
  append = (_linkId: string, owner: string, { entries }: LinkBatch) =>
    this.#here(null).then(() => {
      if (owner !== this.owner) return false;
      this.kept.push(...entries);
      return true;
    });
  /** Numbers under which something stands already. */
  filled = new Map<number, string>();
  fill = (_linkId: string, owner: string, fillers: readonly { seq: number; text: string }[]) =>
    this.#here(null).then(() =>
      owner === this.owner ? fillers.map(({ seq, text }) => this.filled.get(seq) ?? text) : null
    );
  addDesktop = () => this.#here(undefined);
  missed = (_linkId: string, _desktopId: string, after: number) =>
    this.#here(this.mail.filter(({ n }) => n > after));
  drop = () => this.#here(undefined);
  remove = () => this.#here(this.owner === "me");
  owns = () => this.#here(this.owner === "me");
  touch = () => this.#here(undefined);
  whenUp = () => Promise.resolve();
}

function setUp(onNote: (text: string) => void = () => {}) {
  const store = new FakeStore();
  const got: string[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const note = (text: string) => {
    got.push(text);
    onNote(text);
    for (const w of waiting) if (got.length >= w.count) w.resolve();
  };
  const until = (count: number) =>
    got.length >= count
      ? Promise.resolve()
      : new Promise<void>((resolve) => waiting.push({ count, resolve }));
  const link = new SharedLink({
    store,
    log: { write: (_level, event) => note(event) },
    linkId: "link",
    owner: "me",
    taken: new Map([[DESKTOP, 0]]),
    persisted: 0,
  }, {
    send: (_draft, mail: MailRef | null) => note(`mail ${mail?.n ?? "-"}`),
    write: (texts) => texts.forEach((text) => note(`write ${text}`)),
    replaced: (entries) => entries.forEach(({ seq, text }) => note(`replaced ${seq} ${text}`)),
    moved: () => note("moved"),
  });
  return { store, link, got, until };
}

const mail = (n: number) => ({ desktopId: DESKTOP, n, draft: draft(n) });

Deno.test("SharedLink: mail is taken once and in order, whatever the bus brings", async () => {
  const { store, link, got, until } = setUp();
  store.mail = [1, 2, 3, 4].map((n) => ({ n, draft: draft(n) }));
  link.onMail(mail(1));
  link.onMail(mail(1));
  link.onMail(mail(3));
  await until(4);
  link.onMail(mail(4));
  link.onMail({ draft: draft(0) });
  assert.deepEqual(got, ["mail 1", "mail 2", "mail 3", "mail 4", "mail -"]);
  store.mail.push({ n: 5, draft: draft(5) });
  link.resync();
  await until(6);
  assert.equal(got.at(-1), "mail 5");
});

const several = (first: number, count: number) => ({
  desktopId: DESKTOP,
  n: first,
  drafts: Array.from({ length: count }, (_, i) => draft(first + i)),
});

Deno.test("SharedLink: of mail that comes together each is taken once, whatever is missing or known", async () => {
  const { store, link, got, until } = setUp();
  store.mail = [1, 2, 3, 4, 5, 6, 7].map((n) => ({ n, draft: draft(n) }));
  link.onMail(several(1, 2));
  link.onMail(several(1, 3));
  assert.deepEqual(got, ["mail 1", "mail 2", "mail 3"]);
  // The fourth was lost: all of the next message waits for it, and comes from the store.
  link.onMail(several(5, 2));
  assert.equal(got.length, 3);
  await until(7);
  link.onMail(several(5, 4));
  link.onMail(mail(9));
  assert.deepEqual(got, [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `mail ${n}`));
});

Deno.test("SharedLink: a link that ends within a message takes no more of it", () => {
  const { link, got } = setUp((draftGot) => draftGot === "mail 2" && link.close());
  link.onMail(several(1, 4));
  assert.deepEqual(got, ["mail 1", "mail 2"]);
});

Deno.test("SharedLink: a message is kept before it is written, also when the store was away", async () => {
  const { store, link, got, until } = setUp();
  store.away = 2;
  link.keep({ seq: 1, text: "a", mail: null }, 0);
  link.keep({ seq: 2, text: "b", mail: null }, 0);
  assert.deepEqual([link.isKept(1), got.length], [false, 0]);
  await until(2);
  assert.deepEqual(got, ["write a", "write b"]);
  assert.deepEqual(store.kept.map(({ seq }) => seq), [1, 2]);
  assert.equal(link.isKept(2), true);
});

Deno.test("SharedLink: what another node owns is neither kept nor written here", async () => {
  const { store, link, got, until } = setUp();
  store.owner = "other";
  link.keep({ seq: 1, text: "a", mail: null }, 0);
  await until(1);
  assert.deepEqual(got, ["moved"]);
  assert.equal(await link.remove(), false);
  link.onMail({ movedTo: "me" });
  assert.equal(got.length, 1, "its own claim is no news");
  link.onMail({ movedTo: "other" });
  assert.deepEqual(got, ["moved", "moved"]);
});

const numbered = (seq: number) => ({
  seq,
  text: `{"type":"ERROR","payload":{"message":",\\"seq\\":"},"seq":${seq},"ack":0,"ts":5}`,
  mail: null,
});
const filler = (seq: number) => `{"type":"PONG","payload":{},"seq":${seq},"ack":0,"ts":5}`;

Deno.test("SharedLink: what is kept with a decision is written once that says so, before what came later", async () => {
  const { store, link, got, until } = setUp();
  const direct = link.direct(() => [1, 2].forEach((seq) => link.keep(numbered(seq), 0)));
  assert.deepEqual(direct?.entries.map(({ seq }) => seq), [1, 2]);
  link.keep(numbered(3), 0);
  assert.equal(link.direct(() => {}), null);
  assert.deepEqual([link.isKept(1), got.length], [false, 0]);
  direct?.settle(true);
  direct?.settle(false);
  await until(3);
  assert.deepEqual(got, [1, 2, 3].map((seq) => `write ${numbered(seq).text}`));
  assert.deepEqual(store.kept.map(({ seq }) => seq), [3]);
  assert.equal(link.direct(() => {})?.entries.length, 0);
});

Deno.test("SharedLink: numbers of what was not decided are filled, also when the store was away", async () => {
  const { store, link, got, until } = setUp();
  const direct = link.direct(() => [1, 2].forEach((seq) => link.keep(numbered(seq), 0)));
  link.keep(numbered(3), 0);
  // The write's answer was lost, and so was half of what it was thought to have done.
  store.filled.set(1, numbered(1).text);
  store.away = 2;
  direct?.settle(false);
  await until(5);
  assert.deepEqual(got, [
    `replaced 1 ${numbered(1).text}`,
    `replaced 2 ${filler(2)}`,
    `write ${numbered(1).text}`,
    `write ${filler(2)}`,
    `write ${numbered(3).text}`,
  ]);
});

Deno.test("SharedLink: a link that moved during a decision is neither filled nor written", async () => {
  const { store, link, got, until } = setUp();
  const direct = link.direct(() => link.keep(numbered(1), 0));
  store.owner = "other";
  direct?.settle(false);
  await until(1);
  assert.deepEqual(got, ["moved"]);
});
