/** Seeds of fuzz tests: new every run, printed, and given back by FARGLASS_SEED. */

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
