import assert from "node:assert/strict";
import { parseRtcp, senderReport } from "./rtcp.ts";

Deno.test("senderReport: reads back, followed by the CNAME", () => {
  const bytes = senderReport({
    ssrc: 0xdeadbeef,
    cname: "0123456789abcdef",
    ntpTimestamp: 0x1122334455667788n,
    rtpTimestamp: 4_000_000_000,
    packetCount: 7,
    octetCount: 9_000,
  });
  assert.equal(bytes.length % 4, 0);
  const [report, description] = parseRtcp(bytes) as unknown as [
    { ssrc: number; senderInfo: Record<string, unknown> },
    { chunks: { source: number; items: { type: number; text: string }[] }[] },
  ];
  assert.equal(report.ssrc, 0xdeadbeef);
  assert.deepEqual({ ...report.senderInfo }, {
    ntpTimestamp: 0x1122334455667788n,
    rtpTimestamp: 4_000_000_000,
    packetCount: 7,
    octetCount: 9_000,
  });
  assert.equal(description.chunks[0].source, 0xdeadbeef);
  assert.equal(description.chunks[0].items[0].text, "0123456789abcdef");
});
