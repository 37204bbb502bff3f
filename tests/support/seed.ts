/** Seeds of fuzz tests: new every run, printed, and given back by FARGLASS_SEED; and their size. */

/** The seed of a run; `name` tells in the log which test it belongs to. */
export function fuzzSeed(name: string): number {
  const given = Deno.env.get("FARGLASS_SEED");
  const seed = given === undefined ? crypto.getRandomValues(new Int32Array(1))[0] : Number(given);
  if (!Number.isInteger(seed)) {
    throw new Error(`FARGLASS_SEED is "${given}"; a whole number is allowed`);
  }
  console.log(`${name}: FARGLASS_SEED=${seed}`);
  return seed;
}

/** How much larger than usual the tests that can grow shall be: FARGLASS_SCALE, from 1 (the default). */
export function testScale(): number {
  const given = Deno.env.get("FARGLASS_SCALE") ?? "1";
  if (!/^[1-9]\d{0,2}$/.test(given)) {
    throw new Error(`FARGLASS_SCALE is "${given}"; whole numbers from 1 to 999 are allowed`);
  }
  return Number(given);
}
