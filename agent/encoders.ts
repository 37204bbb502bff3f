/**
 * The encoders that work on this machine: software is known at the start, hardware when its probe
 * is over, which nobody waits for.
 */
import { type EncoderCaps, ENCODERS } from "./adapters/libav/catalogue.ts";
import { type ProbeResult, probeSoftware } from "./adapters/libav/probe.ts";
import { type HardwareProbeOptions, probeHardware } from "./adapters/libav/probe_hardware.ts";
import type { EncoderProbe } from "./agent.ts";
import { orderEncoders } from "./core/encoder_chain.ts";

export interface EncoderListOptions {
  /** The setting `encoder.preferred`. */
  readonly preferred: string;
  readonly hardware: HardwareProbeOptions;
  log(level: "info" | "warn", text: string): void;
}

/** What is known of this machine's encoders. */
export class EncoderList {
  readonly #results: ProbeResult[] = [];
  /** Called when another encoder has proved to work. */
  onChange: () => void = () => {};

  constructor(private readonly options: EncoderListOptions) {}

  /** Resolves when the software encoders are known; hardware follows. */
  async probe(): Promise<void> {
    for (const result of await probeSoftware(this.options.preferred)) this.#add(result);
    void probeHardware(this.options.hardware, (result) => {
      this.#add(result);
      if (result.works) this.onChange();
    }).then(() => this.#report());
  }

  /** The best first. */
  get working(): readonly EncoderCaps[] {
    const works = this.#results.flatMap((one) => one.works ? [one.caps] : []);
    const order = ENCODERS.map(({ caps }) => caps.name);
    return orderEncoders(works, { order, preferred: this.options.preferred });
  }

  get probes(): readonly EncoderProbe[] {
    return this.#results.map((one) => ({
      name: one.name,
      refused: one.works ? null : one.reason,
    }));
  }

  #add(result: ProbeResult): void {
    this.#results.push(result);
    if (result.works) this.options.log("info", `Video encoder ${result.name} works`);
    else this.options.log("info", `Video encoder ${result.name} is not used: ${result.reason}`);
  }

  #report(): void {
    const { preferred } = this.options;
    const found = this.#results.find(({ name }) => name === preferred);
    if (found === undefined || found.works) return;
    this.options.log(
      "warn",
      `Choose another encoder.preferred, or "auto": ${preferred} does not work here (${found.reason})`,
    );
  }
}
