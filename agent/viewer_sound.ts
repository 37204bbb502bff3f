/** One viewer's share of the desktop's sound: wanted or not, and on which peer it goes. */
import type { ControlOf } from "@farglass/protocol";
import type { Peer, SoundFrame, VideoTarget } from "./core/ports.ts";
import type { SoundListener } from "./sound.ts";
import type { ViewerPorts } from "./viewer_ports.ts";

/** However little the network carries, something is left for the picture. */
const MIN_VIDEO_KBPS = 100;

export class ViewerSound implements SoundListener {
  #wanted = false;

  /** `peer` is the one in use; `changed` hears that the operator began or ceased to listen. */
  constructor(
    private readonly ports: Pick<ViewerPorts, "sound" | "onListening">,
    private readonly on: { peer(): Peer | undefined; changed(listening: boolean): void },
  ) {}

  get listening(): boolean {
    return this.#wanted;
  }

  /** For the console to know how late the sound is. */
  get clock(): ControlOf<"pong">["sound"] {
    const clock = this.#wanted ? this.on.peer()?.soundClock ?? null : null;
    return clock === null ? undefined : { rtpTime: clock.rtpTime, at: clock.atMs };
  }

  /** What the operator asks for; without leave to share sound nothing comes of it. */
  set(wanted: boolean): void {
    const { sound } = this.ports;
    const granted = wanted && sound?.allowed === true;
    if (this.#wanted === granted) return;
    this.#wanted = granted;
    if (granted) sound?.listen(this);
    else sound?.leave(this);
    this.on.changed(granted);
    this.ports.onListening?.(granted);
  }

  onSound(frame: SoundFrame): void {
    this.on.peer()?.sendSound(frame);
  }

  /** Sound goes first, so the video may take what it leaves. */
  reserve(target: VideoTarget): VideoTarget {
    const { sound } = this.ports;
    if (!this.#wanted || !sound?.caps.available) return target;
    const rest = target.bitrateKbps - sound.reservedKbps;
    return { ...target, bitrateKbps: Math.max(Math.min(MIN_VIDEO_KBPS, target.bitrateKbps), rest) };
  }
}
