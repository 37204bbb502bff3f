/** The shared sound with a capture that the test plays: who listens, what runs, what is told. */
import assert from "node:assert/strict";
import { err, ok } from "@farglass/protocol";
import { SOUND_FRAME_BYTES, type SoundCaptureEvents, type SoundFrame } from "./core/ports.ts";
import { Sound } from "./sound.ts";

class World {
  /** Captures opened and closed so far. */
  readonly opened: string[] = [];
  readonly told: string[] = [];
  works = true;
  events: SoundCaptureEvents | null = null;
  readonly sound: Sound;

  constructor(allowed = true) {
    this.sound = new Sound({
      openCapture: (events) => {
        if (!this.works) {
          return Promise.resolve(err({ code: "no-sound-server" as const, message: "none" }));
        }
        this.opened.push("open");
        this.events = events;
        return Promise.resolve(ok({
          close: () => {
            this.opened.push("close");
            return Promise.resolve();
          },
        }));
      },
      openEncoder: () => Promise.resolve(ok({ encode: () => Uint8Array.of(1, 2), close() {} })),
      random: () => 0.5,
      log() {},
    }, { allowed, bitrateKbps: 96 });
    this.sound.onChange = () => this.told.push(this.sound.caps.reason ?? "available");
  }

  play(): void {
    const pcm = new Uint8Array(SOUND_FRAME_BYTES).fill(1);
    this.events?.onFrame({ pcm, position: 0, capturedAtMs: 0 });
  }
}

class Listener {
  readonly frames: SoundFrame[] = [];
  onSound(frame: SoundFrame): void {
    this.frames.push(frame);
  }
}

/** Whatever is under way has ended. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("Sound: one capture for all who listen, none for nobody", async () => {
  const world = new World();
  await world.sound.start();
  assert.deepEqual(world.opened, ["open", "close"], "only to see whether it works");
  const [a, b] = [new Listener(), new Listener()];
  world.sound.listen(a);
  world.sound.listen(b);
  world.sound.listen(b);
  await settled();
  world.play();
  assert.deepEqual([a.frames.length, b.frames.length], [1, 1]);
  assert.equal(world.sound.status.listeners, 2);
  world.sound.leave(a);
  await settled();
  world.play();
  assert.deepEqual([a.frames.length, b.frames.length], [1, 2]);
  world.sound.leave(b);
  await settled();
  assert.deepEqual(world.opened, ["open", "close", "open", "close"]);
  await world.sound.close();
});

Deno.test("Sound: without leave nothing is opened, whoever asks", async () => {
  const world = new World(false);
  await world.sound.start();
  world.sound.listen(new Listener());
  world.sound.setMuted(true);
  await settled();
  assert.deepEqual(world.opened, []);
  assert.deepEqual(world.sound.caps, { available: false, reason: "not-allowed" });
  await world.sound.close();
});

Deno.test("Sound: muted by the owner nothing is captured, and it comes back for who still listens", async () => {
  const world = new World();
  const listener = new Listener();
  world.sound.listen(listener);
  await settled();
  world.sound.setMuted(true);
  world.play();
  assert.equal(listener.frames.length, 0, "not even what is under way");
  await settled();
  assert.deepEqual(world.opened, ["open", "close"]);
  world.sound.setMuted(false);
  await settled();
  world.play();
  assert.equal(listener.frames.length, 1);
  assert.deepEqual(world.told, ["muted-by-owner", "available"]);
  await world.sound.close();
  assert.deepEqual(world.opened, ["open", "close", "open", "close"]);
});

Deno.test("Sound: a sound server that goes away is told, and so is its return", async () => {
  const world = new World();
  const listener = new Listener();
  world.sound.listen(listener);
  await settled();
  world.works = false;
  world.events?.onFault(new Error("gone"));
  await settled();
  assert.deepEqual(world.told, ["no-sound-server"]);
  world.works = true;
  const back = Promise.withResolvers<void>();
  world.sound.onChange = () => back.resolve();
  await back.promise;
  world.play();
  assert.equal(listener.frames.length, 1);
  await world.sound.close();
});
