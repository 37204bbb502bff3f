/** Mutated offers and candidates against the agent's peer: an answer or an error, never a crash or a hang. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { WeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import { LibdatachannelPeer } from "../../agent/adapters/peer_libdatachannel/mod.ts";
import type { PeerEvents, PeerFactory } from "../../agent/core/ports.ts";
import { chromiumOffer } from "../support/offers.ts";
import { LOOPBACK } from "../support/peer_viewer.ts";

const ignore: PeerEvents = {
  onState: () => {},
  onLayer: () => {},
  onCandidate: () => {},
  onChannelOpen: () => {},
  onChannelClose: () => {},
  onMessage: () => {},
  onDrain: () => {},
  onKeyframeRequest: () => {},
  onVideoTarget: () => {},
};

const LINES = chromiumOffer().split("\r\n").filter((line) => line !== "");
/** Long enough for a loaded machine; a hang lasts for ever. */
const LIMIT_MS = 10_000;

/** What may stand in for a part of a line. */
const token = fc.constantFrom(
  ...["", "0", "-1", "65536", "99999999999", "*", "a b", "=", ":", ";;", "42e01f", "sha-256"],
  ...[
    "BUNDLE",
    "UDP/TLS/RTP/SAVPF",
    "constructor",
    "__proto__",
    "actpass",
    "holdconn",
    "127.0.0.1",
  ],
);
type Edit = (lines: string[]) => string[];
const at = fc.nat(LINES.length - 1);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  at.map((i): Edit => (lines) => lines.filter((_, j) => j !== i)),
  fc.tuple(at, at).map(([i, j]): Edit => (lines) => lines.toSpliced(j, 0, lines[i] ?? "a=x")),
  fc.tuple(at, at).map(([i, j]): Edit => (lines) => {
    const [a, b] = [lines[i], lines[j]];
    return a === undefined || b === undefined ? lines : lines.with(i, b).with(j, a);
  }),
  fc.tuple(at, fc.nat(8), token).map(([i, part, value]): Edit => (lines) => {
    if (lines[i] === undefined) return lines;
    const parts = lines[i].split(/(?<=[ :=/;])/);
    return lines.with(i, parts.with(part % parts.length, value).join(""));
  }),
  fc.tuple(at, fc.nat(60)).map(([i, length]): Edit => (lines) =>
    lines[i] === undefined ? lines : lines.with(i, lines[i].slice(0, length))
  ),
);
const offer = fc.array(edit, { minLength: 1, maxLength: 6 }).map((edits) =>
  edits.reduce((lines, change) => change(lines), LINES).join("\r\n") + "\r\n"
);
const candidate = fc.tuple(token, token, token).map(([a, b, c]) =>
  `candidate:${a || "1"} 1 udp ${b} 127.0.0.1 ${c} typ host`
);

const LIBRARIES: Readonly<Record<string, PeerFactory>> = {
  werift: (options, events) => new WeriftPeer(options, events),
  libdatachannel: (options, events) => new LibdatachannelPeer(options, events),
};

for (const [library, create] of Object.entries(LIBRARIES)) {
  Deno.test(`fuzz: mutated offers and candidates at the ${library} peer`, async () => {
    let answered = 0;
    const failures: unknown[] = [];
    const onRejection = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      failures.push(event.reason);
    };
    addEventListener("unhandledrejection", onRejection);
    try {
      await fc.assert(
        fc.asyncProperty(offer, fc.array(candidate, { maxLength: 3 }), async (sdp, candidates) => {
          const peer = create(LOOPBACK, ignore);
          let timer: ReturnType<typeof setTimeout> | undefined;
          const late = new Promise<never>((_, reject) => {
            timer = setTimeout(() => reject(new Error("The peer hangs")), LIMIT_MS);
          });
          const work = async () => {
            try {
              await peer.answer(sdp);
              answered++;
            } catch (error) {
              assert.ok(error instanceof Error);
            }
            for (const line of candidates) {
              await peer.addCandidate({ candidate: line, sdpMid: "0", sdpMLineIndex: 0 });
            }
            await peer.close();
          };
          try {
            await Promise.race([work(), late]);
          } finally {
            clearTimeout(timer);
          }
          assert.deepEqual(failures, []);
        }),
        { numRuns: 150, verbose: 1 },
      );
    } finally {
      removeEventListener("unhandledrejection", onRejection);
    }
    assert.ok(answered > 20, `${answered} of 150 answered`);
  });
}
