/** Tones: made as samples, and found again by a page in what it plays. */

const RATE_HZ = 48_000;

/** One frame of `samples` stereo samples from sample `start` on, as s16le: a tone for each side. */
export function toneFrame(
  start: number,
  samples: number,
  [leftHz, rightHz]: readonly [number, number],
): Uint8Array {
  const out = new Int16Array(samples * 2);
  for (let i = 0; i < samples; i++) {
    const at = 2 * Math.PI * (start + i) / RATE_HZ;
    out[2 * i] = Math.round(8_000 * Math.sin(at * leftHz));
    out[2 * i + 1] = Math.round(8_000 * Math.sin(at * rightHz));
  }
  return new Uint8Array(out.buffer);
}

/**
 * Page code: `ear(stream)` listens to a stream; `hear()` gives the loudest frequency (Hz) and its
 * level (dB) of each side.
 */
export const EAR_SCRIPT = `
globalThis.ear = (stream) => {
  const context = new AudioContext({ sampleRate: ${RATE_HZ}, latencyHint: 0 });
  void context.resume();
  const splitter = context.createChannelSplitter(2);
  context.createMediaStreamSource(stream).connect(splitter);
  const sides = [0, 1].map((side) => {
    const analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    analyser.smoothingTimeConstant = 0;
    splitter.connect(analyser, side);
    return analyser;
  });
  globalThis.ears = sides;
  globalThis.hear = () => sides.map((analyser) => {
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    let best = 0;
    bins.forEach((level, i) => { if (level > bins[best]) best = i; });
    return { hz: best * context.sampleRate / analyser.fftSize, db: bins[best] };
  });
  return context;
};
`;

export interface Heard {
  readonly hz: number;
  readonly db: number;
}

/** Whether a side plays this tone; bins are 6 Hz wide. */
export const isTone = (heard: Heard, hz: number): boolean =>
  heard.db > -60 && Math.abs(heard.hz - hz) < 12;
