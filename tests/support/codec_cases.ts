/**
 * One case table per binary codec of `protocol/`: the same rows feed encode, decode and fuzz
 * tests. Bytes are written out by hand from the layouts in the codecs' headers.
 */
import type {
  DiffAck,
  DiffMessage,
  ErrorCode,
  InputMessage,
  Rect,
  RelayFrame,
} from "@farglass/protocol";

/** A value and its one encoding. */
export interface CodecCase<T> {
  readonly name: string;
  readonly value: T;
  readonly hex: string;
}

/** Bytes that must be refused, and the code they are refused with. */
export interface BadBytes {
  readonly name: string;
  readonly hex: string;
  readonly code: ErrorCode;
}

/** Bytes of a hex string; blanks are for the reader. */
export const bytesOf = (hex: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array((hex.replaceAll(/\s/g, "").match(/../g) ?? []).map((pair) => parseInt(pair, 16)));

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const NO_BODY = new Uint8Array(0);

export const DIFF_CASES: readonly CodecCase<DiffMessage>[] = [
  {
    name: "empty last frame with a hash",
    value: {
      frame: 7,
      part: 0,
      last: true,
      capturedAtMs: 1.5,
      width: 1920,
      height: 1080,
      hash: 0xdeadbeef,
      regions: null,
      patches: [],
      stream: 3,
      runs: false,
      deflated: false,
      body: NO_BODY,
    },
    hex: "fd 65 0000 00000007 3ff8000000000000 0780 0438 deadbeef 0000",
  },
  {
    name: "one raw pixel at the far corner, frame number at its limit",
    value: {
      frame: 0xffffffff,
      part: 0xffff,
      last: false,
      capturedAtMs: 0,
      width: 2,
      height: 3,
      hash: null,
      regions: null,
      patches: [{ x: 1, y: 2, width: 1, height: 1 }],
      stream: 0,
      runs: false,
      deflated: false,
      body: bytesOf("10203000"),
    },
    hex:
      "fd 00 0001 ffffffff 0000000000000000 0002 0003 00000000 ffff 0001 0002 0001 0001 10203000",
  },
  {
    name: "two deflated patches of the largest screen",
    value: {
      frame: 1,
      part: 0,
      last: true,
      capturedAtMs: -2,
      width: 8192,
      height: 4320,
      hash: null,
      regions: null,
      patches: [{ x: 0, y: 0, width: 64, height: 64 }, { x: 8128, y: 4319, width: 64, height: 1 }],
      stream: 0,
      runs: false,
      deflated: true,
      body: bytesOf("0300"),
    },
    hex: "fd 03 0002 00000001 c000000000000000 2000 10e0 00000000 0000" +
      "0000 0000 0040 0040  1fc0 10df 0040 0001  0300",
  },
  {
    name: "no patch, video shows the whole screen from a wrapped time on",
    value: {
      frame: 2,
      part: 0,
      last: true,
      capturedAtMs: 1.5,
      width: 640,
      height: 400,
      hash: null,
      regions: {
        version: 1,
        rtpTime: 5,
        sinceRtpTime: 0xfffffff0,
        current: true,
        rects: [{ x: 0, y: 0, width: 640, height: 400 }],
      },
      patches: [],
      stream: 0,
      runs: false,
      deflated: false,
      body: NO_BODY,
    },
    hex: "fd 09 0000 00000002 3ff8000000000000 0280 0190 00000000 0000" +
      "00000001 00000005 fffffff0 01 01 0000 0000 0280 0190",
  },
  {
    name: "a patch and no region any more",
    value: {
      frame: 3,
      part: 0,
      last: false,
      capturedAtMs: 0,
      width: 2,
      height: 3,
      hash: null,
      regions: { version: 2, rtpTime: 0, sinceRtpTime: 0, current: false, rects: [] },
      patches: [{ x: 1, y: 2, width: 1, height: 1 }],
      stream: 0,
      runs: false,
      deflated: false,
      body: bytesOf("10203000"),
    },
    hex: "fd 08 0001 00000003 0000000000000000 0002 0003 00000000 0000 0001 0002 0001 0001" +
      "00000002 00000000 00000000 00 00 10203000",
  },
  {
    name: "runs, not deflated",
    value: {
      frame: 3,
      part: 2,
      last: true,
      capturedAtMs: 0,
      width: 4,
      height: 2,
      hash: null,
      regions: null,
      patches: [{ x: 0, y: 0, width: 4, height: 2 }],
      stream: 0,
      runs: true,
      deflated: false,
      body: bytesOf("c1 1e90ff 43 04"),
    },
    hex: "fd 11 0001 00000003 0000000000000000 0004 0002 00000000 0002" +
      "0000 0000 0004 0002  c1 1e90ff 43 04",
  },
  {
    name: "runs, deflated",
    value: {
      frame: 4,
      part: 0,
      last: false,
      capturedAtMs: 0,
      width: 4,
      height: 2,
      hash: 1,
      regions: null,
      patches: [{ x: 0, y: 0, width: 4, height: 2 }],
      stream: 0,
      runs: true,
      deflated: true,
      body: bytesOf("0300"),
    },
    hex: "fd 16 0001 00000004 0000000000000000 0004 0002 00000001 0000" +
      "0000 0000 0004 0002  0300",
  },
];

const DIFF_HEAD = "fd 00 0000 00000001 0000000000000000 0002 0002 00000000 0000";

export const BAD_DIFF: readonly BadBytes[] = [
  { name: "nothing", hex: "", code: "malformed" },
  { name: "a wrong first byte", hex: DIFF_HEAD.replace("fd", "fa"), code: "malformed" },
  {
    name: "regions that are not there",
    hex: DIFF_HEAD.replace("fd 00", "fd 08"),
    code: "malformed",
  },
  {
    name: "an unknown flag of the regions",
    hex: DIFF_HEAD.replace("fd 00", "fd 08") + "00000001 00000000 00000000 02 00",
    code: "malformed",
  },
  {
    name: "a region outside the screen",
    hex: DIFF_HEAD.replace("fd 00", "fd 08") + "00000001 00000000 00000000 00 01" +
      "0001 0000 0002 0001",
    code: "malformed",
  },
  {
    name: "more regions than allowed",
    hex: DIFF_HEAD.replace("fd 00", "fd 08") + "00000001 00000000 00000000 00 09" +
      "0000 0000 0001 0001".repeat(9),
    code: "malformed",
  },
  { name: "an unknown flag", hex: DIFF_HEAD.replace("fd 00", "fd 80"), code: "malformed" },
  {
    name: "more patches than allowed",
    hex: DIFF_HEAD.replace("00 0000", "00 0401"),
    code: "malformed",
  },
  {
    name: "a patch table that is cut off",
    hex: DIFF_HEAD.replace("00 0000", "00 0001") + "0000 0000 0001",
    code: "malformed",
  },
  {
    name: "a capture time that is no number",
    hex: DIFF_HEAD.replace("0000000000000000", "7ff8000000000000"),
    code: "malformed",
  },
  {
    name: "an endless capture time",
    hex: DIFF_HEAD.replace("0000000000000000", "7ff0000000000000"),
    code: "malformed",
  },
  { name: "a screen without width", hex: DIFF_HEAD.replace("0002", "0000"), code: "malformed" },
  { name: "a screen too wide", hex: DIFF_HEAD.replace("0002", "2001"), code: "malformed" },
  {
    name: "a screen with too many pixels",
    hex: DIFF_HEAD.replace("0002 0002", "2000 2000"),
    code: "malformed",
  },
  {
    name: "a patch past the right edge",
    hex: DIFF_HEAD.replace("00 0000", "02 0001") + "0001 0000 0002 0001",
    code: "malformed",
  },
  {
    name: "a patch past the bottom",
    hex: DIFF_HEAD.replace("00 0000", "02 0001") + "0000 0002 0001 0001",
    code: "malformed",
  },
  {
    name: "a patch whose far edge overflows 16 bits",
    hex: DIFF_HEAD.replace("00 0000", "02 0001") + "ffff 0000 ffff 0001",
    code: "malformed",
  },
  {
    name: "a patch without height",
    hex: DIFF_HEAD.replace("00 0000", "02 0001") + "0000 0000 0001 0000",
    code: "malformed",
  },
  {
    name: "raw pixels that are too few",
    hex: DIFF_HEAD.replace("00 0000", "00 0001") + "0000 0000 0001 0001 102030",
    code: "malformed",
  },
  { name: "raw pixels that nobody asked for", hex: DIFF_HEAD + "00", code: "malformed" },
  { name: "a bomb: two full screens to unpack", hex: bomb(), code: "malformed" },
  { name: "more bytes than allowed", hex: DIFF_HEAD + "00".repeat(60 * 1024), code: "too-large" },
];

/** Five patches of a 3840×2160 screen each, in a few bytes. */
function bomb(): string {
  const head = "fd 02 0005 00000001 0000000000000000 0f00 0870 00000000";
  return head + "0000 0000 0f00 0870".repeat(5);
}

/** Pixels of patches and their one packing as runs (pixel_runs.ts). */
export interface RunsCase {
  readonly name: string;
  readonly patches: readonly Rect[];
  /** 0xRRGGBB, row by row, patch after patch. */
  readonly words: readonly number[];
  readonly hex: string;
}

const patch = (width: number, height: number): Rect => ({ x: 0, y: 0, width, height });
const RED = 0xff0000;
const GREEN = 0x00ff00;
const DARK = 0x010203;

export const RUNS_CASES: readonly RunsCase[] = [
  { name: "no patch", patches: [], words: [], hex: "" },
  { name: "one pixel is said", patches: [patch(1, 1)], words: [DARK], hex: "c1 030201" },
  { name: "one black pixel is in every slot", patches: [patch(1, 1)], words: [0], hex: "80" },
  {
    name: "one colour: said, then before, then above",
    patches: [patch(3, 2)],
    words: [RED, RED, RED, RED, RED, RED],
    hex: "c1 0000ff 45",
  },
  {
    name: "a row that repeats the one above",
    patches: [patch(3, 2)],
    words: [RED, GREEN, DARK, RED, GREEN, DARK],
    hex: "c3 0000ff 00ff00 030201 03",
  },
  {
    name: "a known colour is its slot",
    patches: [patch(3, 1)],
    words: [RED, GREEN, RED],
    hex: "c2 0000ff 00ff00 " + (0x80 | Math.imul(RED, 0x9e3779b1) >>> 26).toString(16),
  },
  {
    name: "slots outlive a patch, runs do not",
    patches: [patch(2, 1), patch(2, 1)],
    words: [RED, RED, RED, RED],
    hex: "c1 0000ff 41 " + (0x80 | Math.imul(RED, 0x9e3779b1) >>> 26).toString(16) + " 41",
  },
  {
    name: "62 is a short count, 63 and 200 are long ones",
    patches: [patch(63, 1), patch(64, 1), patch(201, 1)],
    words: [...Array(63).fill(RED), ...Array(64).fill(GREEN), ...Array(201).fill(DARK)],
    hex: "c1 0000ff 7e  c1 00ff00 7f 00  c1 030201 7f 8901",
  },
];

/** Runs that must be refused for these patches. */
export const BAD_RUNS: readonly (Omit<RunsCase, "words">)[] = [
  { name: "nothing for a pixel", patches: [patch(1, 1)], hex: "" },
  { name: "something for nothing", patches: [], hex: "80" },
  { name: "a byte too many", patches: [patch(1, 1)], hex: "80 80" },
  { name: "too few pixels", patches: [patch(2, 1)], hex: "80" },
  { name: "above in the first row", patches: [patch(2, 1)], hex: "80 01" },
  {
    name: "above in the next patch's first row",
    patches: [patch(1, 1), patch(1, 1)],
    hex: "80 01",
  },
  { name: "before at the start of a patch", patches: [patch(1, 1), patch(1, 1)], hex: "80 41" },
  { name: "a run past the patch", patches: [patch(2, 1), patch(2, 1)], hex: "80 42 80" },
  { name: "a count of nought", patches: [patch(2, 1)], hex: "80 40 41" },
  { name: "said pixels that are cut off", patches: [patch(2, 1)], hex: "c2 0000ff 00ff" },
  { name: "a long count that is cut off", patches: [patch(100, 1)], hex: "80 7f" },
  { name: "a long count without end", patches: [patch(100, 1)], hex: "80 7f ffffffffff" },
  { name: "a huge count", patches: [patch(100, 1)], hex: "80 7f ffffff7f" },
];

export const ACK_CASES: readonly CodecCase<DiffAck>[] = [
  { name: "painted", value: { frame: 1, outcome: "painted" }, hex: "fa 00 00000001" },
  { name: "mismatch", value: { frame: 0xffffffff, outcome: "mismatch" }, hex: "fa 01 ffffffff" },
  { name: "skipped", value: { frame: 0, outcome: "skipped" }, hex: "fa 02 00000000" },
];

export const BAD_ACKS: readonly BadBytes[] = [
  { name: "nothing", hex: "", code: "malformed" },
  { name: "a wrong first byte", hex: "fd 00 00000001", code: "malformed" },
  { name: "an unknown outcome", hex: "fa 03 00000001", code: "malformed" },
  { name: "a byte too few", hex: "fa 00 000000", code: "malformed" },
  { name: "a byte too many", hex: "fa 00 00000001 00", code: "malformed" },
];

export const INPUT_CASES: readonly CodecCase<InputMessage>[] = [
  {
    name: "move",
    value: { kind: "move", seq: 0x01020304, x: 65_535, y: 0 },
    hex: "01 01020304 ffff 0000",
  },
  {
    name: "left button down",
    value: { kind: "button", seq: 1, x: 10, y: 20, button: 1, down: true },
    hex: "02 00000001 000a 0014 01 01",
  },
  {
    name: "forward button up",
    value: { kind: "button", seq: 0xffffffff, x: 0, y: 1, button: 5, down: false },
    hex: "02 ffffffff 0000 0001 05 00",
  },
  {
    name: "wheel up and right",
    value: { kind: "wheel", seq: 2, x: 3, y: 4, dx: 120, dy: -32_768 },
    hex: "03 00000002 0003 0004 0078 8000",
  },
  {
    name: "key by place and character",
    value: { kind: "key", usage: 4, keysym: 0x61, down: true },
    hex: "04 01 0004 00000061",
  },
  {
    name: "key by character only, largest keysym",
    value: { kind: "key", usage: 0, keysym: 0x1fffffff, down: false },
    hex: "04 00 0000 1fffffff",
  },
  {
    name: "key by place only",
    value: { kind: "key", usage: 0xff, keysym: 0, down: true },
    hex: "04 01 00ff 00000000",
  },
  {
    name: "text beyond the basic plane",
    value: { kind: "text", codePoints: [0x41, 0x1f600, 0x10ffff, 0] },
    hex: "05 0004 00000041 0001f600 0010ffff 00000000",
  },
  { name: "release-all", value: { kind: "release-all" }, hex: "06" },
];

export const BAD_INPUT: readonly BadBytes[] = [
  { name: "nothing", hex: "", code: "malformed" },
  { name: "an unknown type", hex: "07", code: "unknown-type" },
  { name: "type zero", hex: "00 00000000 0000 0000", code: "unknown-type" },
  { name: "a move too short", hex: "01 00000001 0000 00", code: "malformed" },
  { name: "a move too long", hex: "01 00000001 0000 0000 00", code: "malformed" },
  { name: "button 0", hex: "02 00000001 0000 0000 00 01", code: "malformed" },
  { name: "button 6", hex: "02 00000001 0000 0000 06 01", code: "malformed" },
  { name: "a button neither up nor down", hex: "02 00000001 0000 0000 01 02", code: "malformed" },
  { name: "a wheel too short", hex: "03 00000002 0003 0004 0078 80", code: "malformed" },
  { name: "a key that is nothing", hex: "04 01 0000 00000000", code: "malformed" },
  { name: "a key off the page", hex: "04 01 0100 00000000", code: "malformed" },
  { name: "a keysym of 30 bits", hex: "04 01 0000 20000000", code: "malformed" },
  { name: "a key neither up nor down", hex: "04 02 0004 00000061", code: "malformed" },
  { name: "text without a count", hex: "05 00", code: "malformed" },
  { name: "empty text", hex: "05 0000", code: "malformed" },
  { name: "text that ends early", hex: "05 0002 00000041", code: "malformed" },
  { name: "too much text", hex: "05 0101" + "00000041".repeat(257), code: "malformed" },
  { name: "half of a surrogate pair", hex: "05 0001 0000d800", code: "malformed" },
  { name: "a code point past the last", hex: "05 0001 00110000", code: "malformed" },
  { name: "a long release-all", hex: "06 00", code: "malformed" },
  { name: "more bytes than allowed", hex: "05" + "00".repeat(2048), code: "too-large" },
];

const SESSION = "01234567-89ab-4def-8123-456789abcdef";
const SESSION_HEX = "0123456789ab4def8123456789abcdef";

export const RELAY_CASES: readonly CodecCase<RelayFrame>[] = [
  {
    name: "diff",
    value: { kind: "diff", sessionId: SESSION, payload: bytesOf("fd00") },
    hex: `01 ${SESSION_HEX} fd00`,
  },
  {
    name: "ack",
    value: { kind: "ack", sessionId: SESSION, payload: bytesOf("fa0000000001") },
    hex: `02 ${SESSION_HEX} fa0000000001`,
  },
  {
    name: "input",
    value: {
      kind: "input",
      sessionId: "ffffffff-ffff-ffff-ffff-ffffffffffff",
      payload: bytesOf("06"),
    },
    hex: `03 ${"ff".repeat(16)} 06`,
  },
  {
    name: "skipped",
    value: { kind: "skipped", sessionId: SESSION, payload: bytesOf("fa0200000001") },
    hex: `04 ${SESSION_HEX} fa0200000001`,
  },
];

export const BAD_RELAY: readonly BadBytes[] = [
  { name: "nothing", hex: "", code: "malformed" },
  { name: "a header alone", hex: `01 ${SESSION_HEX}`, code: "malformed" },
  { name: "an unknown kind", hex: `05 ${SESSION_HEX} 00`, code: "unknown-type" },
  { name: "kind zero", hex: `00 ${SESSION_HEX} 00`, code: "unknown-type" },
  {
    name: "more bytes than allowed",
    hex: `01 ${SESSION_HEX}${"00".repeat(64 * 1024)}`,
    code: "too-large",
  },
];
