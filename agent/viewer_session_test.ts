/**
 * A viewer with a fake peer: a real one has no knob for "this channel takes nothing more now", and
 * that is what these tests are about.
 */
import assert from "node:assert/strict";
import {
  codedError,
  type ControlMessage,
  decodeDiff,
  encodeDiffAck,
  encodeInput,
  err,
  type InputMessage,
  ok,
  type VideoCodec,
  type ViewerChoice,
} from "@farglass/protocol";
import { DiffReceiver } from "../tests/support/diff_receiver.ts";
import { CHOICE_INTERVAL_MS } from "./core/choice_pacer.ts";
import type { Display } from "./core/displays.ts";
import type { CaptureEvents, Frame, Peer, PeerChannel, SoundFrame } from "./core/ports.ts";
import { Pipeline } from "./pipeline.ts";
import { Sound } from "./sound.ts";
import { ViewerSession } from "./viewer_session.ts";

const WIDTH = 320;
const HEIGHT = 200;
const policy = { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" as const };

/** A data channel that takes bytes and gives them back when the test drains it. */
class FakePeer implements Peer {
  readonly videoReady = true;
  readonly videoCodecs: readonly VideoCodec[] = ["vp8"];
  readonly soundReady = true;
  readonly soundClock = null;
  readonly sound: SoundFrame[] = [];
  sendSound(frame: SoundFrame): number {
    return this.sound.push(frame);
  }
  videoTime(capturedAtMs: number): number {
    return capturedAtMs * 90;
  }
  readonly network = null;
  readonly sent: { channel: PeerChannel; data: string | Uint8Array }[] = [];
  waiting = 0;
  most = 0;
  answer(): Promise<string> {
    return Promise.resolve("");
  }
  addCandidate(): Promise<void> {
    return Promise.resolve();
  }
  sendVideo(): number {
    return 1;
  }
  playoutMs = 0;
  setPlayout(minMs: number): void {
    this.playoutMs = minMs;
  }
  send(channel: PeerChannel, data: string | Uint8Array): boolean {
    this.sent.push({ channel, data });
    if (channel === "diff") this.waiting += data.length;
    this.most = Math.max(this.most, this.waiting);
    return true;
  }
  bufferedBytes(): number {
    return this.waiting;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
  controls(): ControlMessage[] {
    return this.sent.flatMap((s) => s.channel === "control" ? [JSON.parse(String(s.data))] : []);
  }
  diffs(): Uint8Array[] {
    return this.sent.flatMap((s) => s.data instanceof Uint8Array ? [s.data] : []);
  }
}

class World implements AsyncDisposable {
  readonly pixels = new Uint32Array(WIDTH * HEIGHT);
  readonly played: InputMessage[] = [];
  readonly relayed: ControlMessage[] = [];
  readonly refused: string[] = [];
  readonly chosen: ViewerChoice[] = [];
  sound: Sound | null = null;
  readonly tasks: (() => void)[] = [];
  now = 0;
  #events: CaptureEvents | null = null;
  #frame: Frame | null = null;
  readonly #started = Promise.withResolvers<void>();
  readonly pipeline: Pipeline;

  constructor(displays: readonly Display[] = []) {
    const capture = {
      name: "synthetic" as const,
      width: WIDTH,
      height: HEIGHT,
      displays,
      start: (events: CaptureEvents) => {
        this.#events = events;
        this.#started.resolve();
      },
      current: () => this.#frame,
      cursor: () => null,
      close: () => Promise.resolve(),
    };
    const input = {
      pointer: true,
      keyboard: true,
      play: (message: InputMessage) => this.played.push(message),
      releaseAll: () => {},
      close: () => {},
    };
    this.pipeline = new Pipeline(
      {
        openDesktop: () => Promise.resolve(ok({ capture, input })),
        openConverter: () => Promise.reject(new Error("no video here")),
        encoders: () => [],
        openEncoder: () => Promise.reject(new Error("not used")),
        now: () => this.now,
        random: () => 0,
        log: () => {},
      },
      { bitrateKbps: 1_000, maxFps: 30 },
      { width: WIDTH, height: HEIGHT, displays },
    );
  }
  async viewer(peer: FakePeer): Promise<ViewerSession> {
    const viewer = new ViewerSession(
      {
        pipeline: this.pipeline,
        sound: this.sound,
        onChoice: (choice) => this.chosen.push(choice),
        now: () => this.now,
        deflate: (bytes) => bytes.slice(),
        base64: () => "",
        soon: (task) => {
          this.tasks.push(task);
          return () => this.tasks.splice(this.tasks.indexOf(task), 1);
        },
        relayControl: (message) => this.relayed.push(message),
        relayDiff: () => true,
        relayBufferedBytes: () => 0,
        refuse: (error) => this.refused.push(error.code),
      },
      policy,
      "Ada",
    );
    await this.#started.promise;
    viewer.addPeer(1, peer);
    viewer.onPeerConnected(1, true);
    for (const channel of ["control", "input", "motion", "diff"] as const) {
      viewer.onChannelOpen(1, channel);
    }
    return viewer;
  }
  /** Noise, so that compression does not help. */
  paint(seed: number): void {
    this.pixels.forEach((_, i) => {
      this.pixels[i] = Math.imul(i ^ seed, 0x9e3779b1) & 0xffffff;
    });
    this.#frame = {
      sequence: (this.#frame?.sequence ?? 0) + 1,
      width: WIDTH,
      height: HEIGHT,
      strideBytes: WIDTH * 4,
      pixels: new Uint8Array(this.pixels.buffer),
      damage: [{ x: 0, y: 0, width: WIDTH, height: HEIGHT }],
      capturedAtMs: this.now,
    };
    this.#events?.onFrame(this.#frame);
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.pipeline.close();
  }
}

const select = (transport: "diff-dc" | "rtp", epoch: number) =>
  JSON.stringify({ op: "select", transport, epoch });
const move = (x: number): Uint8Array => encodeInput({ kind: "move", seq: x, x, y: 1 });

Deno.test("diff-dc: never more than 64 KiB and one message wait in the channel; drained, it goes on", async () => {
  await using world = new World();
  const peer = new FakePeer();
  const viewer = await world.viewer(peer);
  world.paint(1);
  viewer.onChannelMessage(1, "control", select("diff-dc", 1));
  const receiver = new DiffReceiver();
  let read = 0;
  let painted = false;
  for (let i = 0; i < 100 && !painted; i++) {
    for (const bytes of peer.diffs().slice(read)) {
      read++;
      const ack = receiver.receive(bytes);
      if (ack !== null) viewer.onChannelMessage(1, "diff", encodeDiffAck(ack));
    }
    painted = receiver.pixels.every((pixel, at) => pixel === world.pixels[at]) && read > 0;
    if (painted) break;
    peer.waiting = 0;
    viewer.onChannelDrain("diff");
  }
  assert.ok(read > 3, `${read} messages`);
  assert.ok(peer.most <= 64 * 1024 + 60 * 1024, `${peer.most} bytes waited`);
  assert.deepEqual(receiver.pixels, world.pixels);
  viewer.close();
});

Deno.test("a viewer whose channel takes nothing does not keep another from its frames", async () => {
  await using world = new World();
  const [stuck, quick] = [new FakePeer(), new FakePeer()];
  const first = await world.viewer(stuck);
  const second = await world.viewer(quick);
  stuck.waiting = 1e9;
  world.paint(1);
  first.onChannelMessage(1, "control", select("diff-dc", 1));
  second.onChannelMessage(1, "control", select("diff-dc", 1));
  const receiver = new DiffReceiver();
  for (let i = 0; i < 50; i++) {
    world.now += 20;
    world.paint(i);
    quick.waiting = 0;
    second.onChannelDrain("diff");
    for (const bytes of quick.diffs().splice(0)) {
      const ack = receiver.receive(bytes);
      if (ack !== null) second.onChannelMessage(1, "diff", encodeDiffAck(ack));
    }
    quick.sent.length = 0;
  }
  assert.equal(stuck.diffs().length, 0);
  assert.ok(receiver.pixels.length > 0);
  first.close();
  second.close();
});

Deno.test("answers come on the channel that the question came by", async () => {
  await using world = new World();
  const peer = new FakePeer();
  const viewer = await world.viewer(peer);
  viewer.onChannelMessage(1, "control", select("diff-dc", 1));
  assert.deepEqual(peer.controls().map((c) => c.op), ["selected", "screen", "grants"]);
  viewer.onRelayControl({ op: "ping", id: 1, at: 5 });
  assert.deepEqual(world.relayed.map((c) => c.op), ["pong"]);
  viewer.close();
});

Deno.test("the input channel closes or the viewer ends: what it held is released", async () => {
  await using world = new World();
  const peer = new FakePeer();
  const viewer = await world.viewer(peer);
  const press = encodeInput({ kind: "key", usage: 4, keysym: 97, down: true });
  viewer.onChannelMessage(1, "input", press);
  viewer.onChannelClose(1, "control");
  viewer.onChannelClose(1, "control");
  viewer.onChannelMessage(1, "input", press);
  viewer.close();
  assert.deepEqual(world.played.map((i) => i.kind === "key" && i.down), [true, false, true, false]);
});

Deno.test("a newer peer is used as soon as it is connected; the old one's end releases nothing twice", async () => {
  await using world = new World();
  const [old, young] = [new FakePeer(), new FakePeer()];
  const viewer = await world.viewer(old);
  viewer.addPeer(2, young);
  viewer.onChannelOpen(2, "control");
  viewer.onScreen();
  assert.equal(old.controls().at(-1)?.op, "screen");
  viewer.onPeerConnected(2, true);
  viewer.removePeer(1);
  viewer.onScreen();
  assert.equal(young.controls().at(-1)?.op, "screen");
  viewer.removePeer(2);
  viewer.onScreen();
  assert.equal(world.relayed.at(-1)?.op, "screen");
  viewer.close();
});

Deno.test("a newer peer's network counts as soon as it is connected, however choked the old one is", async () => {
  await using world = new World();
  const viewer = await world.viewer(new FakePeer());
  const told: boolean[] = [];
  world.pipeline.setVideoTarget = (_, { blocked }) => told.push(blocked);
  viewer.onVideoTarget(1, { bitrateKbps: 500, maxFps: 5, blocked: true });
  viewer.addPeer(2, new FakePeer());
  viewer.onVideoTarget(2, { bitrateKbps: 4_000, maxFps: 30, blocked: false });
  assert.deepEqual(told, [true, true]);
  viewer.onPeerConnected(2, true);
  viewer.onVideoTarget(1, { bitrateKbps: 500, maxFps: 5, blocked: true });
  assert.deepEqual(told, [true, true, false, false]);
  viewer.close();
});

Deno.test("garbage on every channel is refused, and changes nothing", async () => {
  await using world = new World();
  const peer = new FakePeer();
  const viewer = await world.viewer(peer);
  viewer.onChannelMessage(1, "control", "no json");
  viewer.onChannelMessage(1, "control", new Uint8Array(3));
  viewer.onChannelMessage(1, "input", Uint8Array.of(77, 1));
  viewer.onChannelMessage(1, "input", "text");
  viewer.onChannelMessage(1, "control", select("diff-dc", 1));
  viewer.onChannelMessage(1, "diff", Uint8Array.of(1, 2, 3));
  viewer.onChannelMessage(1, "diff", "text");
  viewer.onChannelMessage(7, "control", select("rtp", 9));
  assert.deepEqual(world.refused, ["malformed", "unknown-type", "malformed"]);
  assert.deepEqual(world.played, []);
  assert.equal(viewer.transport, "diff-dc");
  viewer.close();
});

Deno.test("motion is played at once, late motion is not", async () => {
  await using world = new World();
  const viewer = await world.viewer(new FakePeer());
  for (const x of [1, 3, 2, 4]) viewer.onChannelMessage(1, "motion", move(x));
  assert.deepEqual(world.played.map((i) => i.kind === "move" && i.x), [1, 3, 4]);
  viewer.close();
});

Deno.test("cursor positions: the first at once, then the newest after the interval", async () => {
  await using world = new World();
  const peer = new FakePeer();
  const viewer = await world.viewer(peer);
  viewer.onChannelMessage(1, "control", select("diff-dc", 1));
  world.now = 1_000;
  for (let x = 0; x < 50; x++) viewer.onCursorPosition({ x, y: 0, away: false });
  const positions = () => peer.controls().flatMap((c) => c.op === "cursor-position" ? [c.x] : []);
  assert.deepEqual(positions(), [0]);
  viewer.close();
  assert.deepEqual(positions(), [0]);
});

Deno.test("diff messages carry the frame's own capture time", async () => {
  await using world = new World();
  const peer = new FakePeer();
  const viewer = await world.viewer(peer);
  world.now = 42;
  world.paint(1);
  viewer.onChannelMessage(1, "control", select("diff-dc", 1));
  const decoded = decodeDiff(peer.diffs()[0]);
  assert.ok(decoded.ok && decoded.value.capturedAtMs === 42);
  viewer.close();
});

Deno.test("another display: its size and a new stream of its pixels only; input lands there", async () => {
  const half = WIDTH / 2;
  const display = (id: string, x: number): Display => ({
    ...{ id, name: id, x, y: 0, width: half, height: HEIGHT, primary: x === 0, rotation: 0 },
  });
  await using world = new World([display("LEFT", 0), display("RIGHT", half)]);
  const peer = new FakePeer();
  const viewer = await world.viewer(peer);
  world.paint(1);
  const choose = (epoch: number, id: string) => {
    peer.sent.length = 0;
    const message = { op: "select", transport: "diff-dc", epoch, display: id };
    viewer.onChannelMessage(1, "control", JSON.stringify(message));
    const receiver = new DiffReceiver();
    let [read, stream, done] = [0, -1, false];
    for (let i = 0; i < 100 && !done; i++) {
      for (const bytes of peer.diffs().slice(read++, read)) {
        const ack = receiver.receive(bytes);
        const decoded = decodeDiff(bytes);
        stream = decoded.ok ? decoded.value.stream : -1;
        done = ack !== null;
        if (ack !== null) viewer.onChannelMessage(1, "diff", encodeDiffAck(ack));
      }
      peer.waiting = 0;
      viewer.onChannelDrain("diff");
    }
    const [screen] = peer.controls().flatMap((c) => c.op === "screen" ? [c] : []);
    const { width, height, display } = screen;
    return { receiver, stream, screen: { width, height, display } };
  };
  const left = choose(1, "LEFT");
  assert.equal(left.stream, 1);
  const right = choose(2, "RIGHT");
  assert.equal(right.stream, 2);
  assert.deepEqual(right.screen, { width: half, height: HEIGHT, display: "RIGHT" });
  assert.equal(right.receiver.width, half);
  for (const [x, y] of [[0, 0], [half - 1, HEIGHT - 1]]) {
    assert.equal(right.receiver.pixels[y * half + x], world.pixels[y * WIDTH + half + x]);
  }
  viewer.onChannelMessage(1, "input", move(3));
  assert.deepEqual(world.played, [{ kind: "move", seq: 3, x: half + 3, y: 1 }]);
  choose(3, "NONE");
  assert.deepEqual(world.refused, ["display-unknown"]);
  assert.equal(world.pipeline.shown(viewer).id, "RIGHT");
  viewer.close();
});

/** Goes on when the pace lets the next choice be told. */
async function untilTold(world: World, count: number): Promise<readonly ViewerChoice[]> {
  while (world.chosen.length < count) {
    world.now += CHOICE_INTERVAL_MS;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return world.chosen;
}

Deno.test("what the operator hears and sees is told to the server, whichever way it was chosen", async () => {
  const half = WIDTH / 2;
  const display = (id: string, x: number): Display => ({
    ...{ id, name: id, x, y: 0, width: half, height: HEIGHT, primary: x === 0, rotation: 0 },
  });
  await using world = new World([display("LEFT", 0), display("RIGHT", half)]);
  world.sound = new Sound({
    openCapture: () => Promise.resolve(err({ code: "no-sound-server", message: "none" })),
    openEncoder: () => Promise.resolve(err(codedError("encoder-failed"))),
    random: () => 0,
    log() {},
  }, { allowed: true, bitrateKbps: 96 });
  const viewer = await world.viewer(new FakePeer());
  const byChannel = (message: ControlMessage) =>
    viewer.onChannelMessage(1, "control", JSON.stringify(message));
  const shows = (epoch: number, display?: string): ControlMessage => ({
    ...{ op: "select", transport: "diff-dc", epoch, display },
  });
  byChannel(shows(1));
  byChannel({ op: "sound", on: true });
  byChannel({ op: "sound", on: true });
  byChannel(shows(2, "LEFT"));
  byChannel(shows(3, "LEFT"));
  byChannel(shows(4, "NONE"));
  viewer.onRelayControl({ ...shows(5, "all") } as ControlMessage);
  viewer.onRelayControl({ op: "sound", on: false });
  const reason = "operator-choice";
  assert.deepEqual(await untilTold(world, 4), [
    { kind: "sound", on: true },
    { kind: "display", from: "all", to: "LEFT", reason },
    { kind: "display", from: "LEFT", to: "all", reason },
    { kind: "sound", on: false },
  ]);
  viewer.close();
  await world.sound.close();
  assert.equal(world.chosen.length, 4, "who goes has ceased to listen before");
});
