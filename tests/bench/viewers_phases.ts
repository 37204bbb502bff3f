/** Where the agent's own thread spends its time, by what the functions' files are for. */
import type { ProfiledFunction } from "../support/inspector.ts";

/** The first that matches a function's file, or its name with `()`. */
const PHASES: readonly (readonly [phase: string, of: RegExp])[] = [
  ["idle", /^\(idle\)|op_\w*poll|\(program\)\(\)$/],
  ["garbage", /^\(garbage collector\)/],
  ["comparing", /core\/(tile_map|tile_pass|shared_tiles|diff_engine)\.ts/],
  ["packing", /core\/(patch_packer|packed_store)\.ts|pixel_runs\.ts|diff_codec\.ts|deflate|zlib/],
  ["sending", /diff_carrier\.ts|peer_libdatachannel|node-datachannel|core\/diff_flow/],
  ["regions", /core\/(motion_|hybrid_|region)/],
  ["video", /libav|node-av|video_|rtp_|packetizer|congestion|link_meter|delay_trend|peer_werift/],
  ["capture", /adapters\/x11|display_view|core\/displays/],
];

/** Percent of a core by phase, the largest first. */
export function phasesOf(
  functions: readonly ProfiledFunction[],
  forMs: number,
): Record<string, number> {
  const sums = new Map<string, number>();
  for (const { name, url, ms } of functions) {
    const place = name.startsWith("(") ? name : `${url} ${name}()`;
    const phase = PHASES.find(([, of]) => of.test(place))?.[0] ?? "other";
    sums.set(phase, (sums.get(phase) ?? 0) + ms);
  }
  sums.delete("idle");
  return Object.fromEntries(
    [...sums].sort((a, b) => b[1] - a[1]).map((
      [phase, ms],
    ) => [phase, Number((ms / forMs * 100).toFixed(1))]),
  );
}
