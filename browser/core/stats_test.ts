/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import { parseStats, samePair, type StatsRecord } from "./stats.ts";
// Recorded from Chromium 156, a peer connection between two tabs; addresses and keys removed.
import recorded from "./testdata/chromium_stats.json" with { type: "json" };

const records: readonly StatsRecord[] = recorded;

Deno.test("parseStats reads Chromium's own record", () => {
  const stats = parseStats(records);
  equal(stats.rttMs, 87);
  deepEqual(stats.candidatePair, { local: "host", remote: "host", protocol: "udp" });
  equal(stats.video?.framesDecoded, 63);
  equal(stats.video?.framesReceived, 63);
  equal(stats.video?.bytesReceived, 9648);
  equal(stats.video?.packetsLost, 0);
  ok(Math.abs((stats.video?.jitterBufferDelayS ?? 0) - 0.762) < 0.001);
  equal(stats.video?.jitterBufferEmittedCount, 63);
});

const relay = (relayProtocol: string): readonly StatsRecord[] => [
  { id: "T", type: "transport", selectedCandidatePairId: "P2" },
  {
    id: "P1",
    type: "candidate-pair",
    nominated: true,
    state: "succeeded",
    currentRoundTripTime: 9,
  },
  {
    id: "P2",
    type: "candidate-pair",
    localCandidateId: "L",
    remoteCandidateId: "R",
    currentRoundTripTime: 0.0125,
  },
  { id: "L", type: "local-candidate", candidateType: "relay", protocol: "udp", relayProtocol },
  { id: "R", type: "remote-candidate", candidateType: "prflx", protocol: "udp" },
];

for (const relayProtocol of ["udp", "tcp", "tls"] as const) {
  Deno.test(`parseStats names a relay by ${relayProtocol}`, () => {
    const stats = parseStats(relay(relayProtocol));
    deepEqual(stats.candidatePair, {
      local: "relay",
      remote: "prflx",
      protocol: "udp",
      relayProtocol,
    });
    equal(stats.rttMs, 12.5);
    equal(stats.video, null);
    equal(stats.videoCodec, null);
  });
}

for (
  const [mimeType, name] of [["video/VP8", "VP8"], ["video/h264", "H264"], [
    "video/",
    null,
  ]] as const
) {
  Deno.test(`parseStats names the format ${mimeType}`, () => {
    const stats = parseStats([
      { id: "V", type: "inbound-rtp", kind: "video", framesDecoded: 5, codecId: "C" },
      { id: "C", type: "codec", mimeType },
    ]);
    equal(stats.videoCodec, name);
  });
}

Deno.test("parseStats finds Firefox's selected pair without a transport record", () => {
  const stats = parseStats([
    { id: "A", type: "candidate-pair", state: "succeeded", nominated: true, selected: false },
    {
      id: "B",
      type: "candidate-pair",
      selected: true,
      localCandidateId: "L",
      remoteCandidateId: "R",
    },
    { id: "L", type: "local-candidate", candidateType: "srflx", protocol: "tcp" },
    { id: "R", type: "remote-candidate", candidateType: "host" },
    { id: "V", type: "inbound-rtp", mediaType: "video", framesDecoded: 5 },
  ]);
  deepEqual(stats.candidatePair, { local: "srflx", remote: "host", protocol: "tcp" });
  equal(stats.rttMs, null);
  equal(stats.video?.framesDecoded, 5);
  equal(stats.video?.framesReceived, null);
});

Deno.test("parseStats makes nothing of nonsense", () => {
  const nonsense: readonly StatsRecord[] = [
    {},
    { type: "transport", selectedCandidatePairId: 7 },
    { type: "inbound-rtp", kind: "audio", framesDecoded: 3 },
    { type: "candidate-pair", selected: true, currentRoundTripTime: "fast" },
  ];
  const nothing = { video: null, videoCodec: null, rttMs: null, candidatePair: null };
  const { sound, ...rest } = parseStats(nonsense);
  deepEqual(sound, { bytesReceived: 0, jitterMs: null, heard: null });
  deepEqual(rest, nothing);
  deepEqual(parseStats([]), { ...nothing, sound: null });
});

Deno.test("samePair compares by what it says", () => {
  const pair = { local: "host", remote: "host", protocol: "udp" } as const;
  ok(samePair(pair, { ...pair }));
  ok(samePair(null, null));
  ok(!samePair(pair, null));
  ok(!samePair(pair, { ...pair, protocol: "tcp" }));
});
