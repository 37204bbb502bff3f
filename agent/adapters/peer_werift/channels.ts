/** The viewer's data channels: known labels only, messages within limits, drain events. */
import { Buffer } from "node:buffer";
import { CHANNELS, MAX_ENVELOPE_BYTES } from "@farglass/protocol";
import type { RTCDataChannel } from "werift";
import type { PeerChannel, PeerEvents } from "../../core/ports.ts";

/** Below this the channel asks for more: enough to keep SCTP busy for a round trip. */
const LOW_WATER_BYTES = 32 * 1024;

/** A newer console may open a few channels more; each costs state at both ends. */
const MAX_STRANGERS = 8;

const isKnown = (label: string): label is PeerChannel => Object.hasOwn(CHANNELS, label);

export class Channels {
  #strangers = 0;
  readonly #open = new Map<PeerChannel, RTCDataChannel>();

  constructor(
    private readonly events: PeerEvents,
    private readonly guarded: (work: () => void) => void,
    private readonly onAbuse: () => void,
  ) {}

  /** Takes a channel that the console opened. */
  add(channel: RTCDataChannel): void {
    const { label } = channel;
    if (!isKnown(label) || this.#open.has(label)) {
      channel.close();
      if (++this.#strangers > MAX_STRANGERS) this.onAbuse();
      return;
    }
    this.#open.set(label, channel);
    channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
    channel.bufferedAmountLow.subscribe(() => this.guarded(() => this.events.onDrain(label)));
    channel.onMessage.subscribe((data) => this.#receive(label, channel, data));
    let announced = false;
    const follow = () => {
      if (channel.readyState === "open" && !announced) {
        announced = true;
        this.guarded(() => this.events.onChannelOpen(label));
      } else if (channel.readyState === "closed" && this.#open.get(label) === channel) {
        this.#open.delete(label);
        this.guarded(() => this.events.onChannelClose(label));
      }
    };
    channel.stateChanged.subscribe(follow);
    follow();
  }

  #receive(label: PeerChannel, channel: RTCDataChannel, data: string | Buffer): void {
    // The answer's a=max-message-size says as much; the channel's own codec has closer limits.
    if (data.length > MAX_ENVELOPE_BYTES) {
      channel.close();
      return;
    }
    this.guarded(() => this.events.onMessage(label, data));
  }

  send(label: PeerChannel, data: string | Uint8Array): boolean {
    const channel = this.#open.get(label);
    if (channel?.readyState !== "open") return false;
    try {
      // A copy: werift keeps the bytes until they are acknowledged.
      channel.send(typeof data === "string" ? data : Buffer.from(data));
      return true;
    } catch {
      // The association went down under the channel.
      return false;
    }
  }

  bufferedBytes(label: PeerChannel): number {
    return this.#open.get(label)?.bufferedAmount ?? 0;
  }
}
