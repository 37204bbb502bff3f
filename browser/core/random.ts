/**
 * Seeded random numbers for jitter and request ids: a core has no source of its own, so the shell
 * hands it one seed. The generator is sfc32; it is no secret source.
 */
export type Rng = readonly [number, number, number, number];

/** Starts a generator from four 32-bit words. */
export function newRng(seed: Rng): Rng {
  let rng: Rng = [seed[0] | 0, seed[1] | 0, seed[2] | 0, (seed[3] | 0) || 1];
  for (let i = 0; i < 12; i++) rng = nextWord(rng)[0];
  return rng;
}

function nextWord([a, b, c, counter]: Rng): [Rng, number] {
  const sum = (a + b + counter) | 0;
  return [
    [b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (counter + 1) | 0],
    sum >>> 0,
  ];
}

/** A number in [0, 1). */
export function nextUnit(rng: Rng): [Rng, number] {
  const [next, word] = nextWord(rng);
  return [next, word / 0x1_0000_0000];
}

/** A version 4 UUID (RFC 9562 section 5.4). */
export function nextUuid(rng: Rng): [Rng, string] {
  let hex = "";
  let current = rng;
  for (let i = 0; i < 4; i++) {
    const [next, word] = nextWord(current);
    current = next;
    hex += word.toString(16).padStart(8, "0");
  }
  const variant = (8 + (parseInt(hex[16], 16) & 3)).toString(16);
  return [
    current,
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${
      hex.slice(20)
    }`,
  ];
}
