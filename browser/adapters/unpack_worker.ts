/// <reference lib="webworker" />
/** The worker that unpacks large diff messages; see diff_unpacker.ts. */
import { unpackDiff } from "./unpack_diff.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

scope.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
  const unpacked = unpackDiff(data);
  scope.postMessage(unpacked, unpacked.ok ? [unpacked.value.pixels.buffer] : []);
};
