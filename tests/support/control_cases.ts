/** Control messages that are read, and texts that are refused. */
import { Buffer } from "node:buffer";
import type { ControlMessage, ErrorCode } from "@farglass/protocol";

export const CONTROL_CASES: readonly ControlMessage[] = [
  { op: "select", transport: "rtp", epoch: 0 },
  { op: "select", transport: "none", epoch: 9 },
  { op: "selected", transport: "diff-ws", epoch: 1 },
  { op: "keyframe" },
  { op: "refresh" },
  { op: "preset", preset: "low-bandwidth" },
  { op: "video", preset: "text", bitrateKbps: 8_000, maxFps: 20 },
  { op: "regions", version: 4 },
  { op: "sound", on: true },
  { op: "ping", id: 1, at: 12.5 },
  {
    op: "pong",
    id: 2,
    at: 1.5,
    agentAt: 2.25,
    captured: 1,
    rtpFrames: 2,
    diffFrames: 3,
    frames: [
      { path: "rtp", key: 0xffffffff, changedAt: 1.25, capturedAt: 2, encodedAt: 3.5 },
      { path: "diff", key: 0, changedAt: -1, capturedAt: 0, encodedAt: 1 },
    ],
  },
  {
    ...{ op: "pong", id: 3, at: 1, agentAt: 2, captured: 0, rtpFrames: 0, diffFrames: 0 },
    sound: { rtpTime: 0xffffffff, at: 1.5 },
  },
  { op: "pong", id: 1, at: -12.5, agentAt: 1e15, captured: 1, rtpFrames: 2, diffFrames: 3 },
  {
    op: "pong",
    id: 2,
    at: 1,
    agentAt: 2,
    captured: 3,
    rtpFrames: 4,
    diffFrames: 5,
    network: {
      targetKbps: 900,
      reason: "queue-standing",
      rttMs: 41.5,
      queueMs: 0,
      loss: 1,
      goodputKbps: 870,
      droppedPictures: 6,
      decisions: { probe: 2, "queue-standing": 1 },
    },
    format: { codec: "h264", reason: "format-failed", decisions: { "format-failed": 2 } },
    patches: {
      ...{ reason: "patches-window", linkKbps: null, rttMs: 12.25, queueMs: 0, windowBytes: 6144 },
      decisions: { "patches-window": 3 },
    },
    choice: {
      ...{ reason: "choice-narrow", videoAboveKbps: 320, regions: 1 },
      decisions: { "choice-narrow": 1 },
    },
  },
  { op: "playout", minMs: 0 },
  { op: "playout", minMs: 1_000 },
  { op: "screen", width: 1, height: 8192 },
  { op: "cursor", width: 0, height: 0, hotX: 0, hotY: 0, rgba: "" },
  {
    op: "cursor",
    width: 96,
    height: 96,
    hotX: 95,
    hotY: 0,
    rgba: Buffer.alloc(96 * 96 * 4, 0x7f).toString("base64"),
  },
  { op: "cursor-position", x: -8192, y: 16_384 },
  { op: "grants", input: true },
  { op: "fault", code: "capture-failed" },
];

export const BAD_CONTROL: readonly {
  readonly name: string;
  readonly text: string;
  readonly code: ErrorCode;
}[] = [
  { name: "sound neither on nor off", text: '{"op":"sound","on":1}', code: "malformed" },
  { name: "a delay of a minute", text: '{"op":"playout","minMs":60000}', code: "malformed" },
  { name: "nothing", text: "", code: "malformed" },
  { name: "not JSON", text: "select", code: "malformed" },
  { name: "null", text: "null", code: "malformed" },
  { name: "no operation", text: "{}", code: "malformed" },
  { name: "an unknown operation", text: '{"op":"exec"}', code: "malformed" },
  { name: "a name of Object.prototype", text: '{"op":"toString"}', code: "malformed" },
  {
    name: "an unknown transport",
    text: '{"op":"select","transport":"vnc","epoch":1}',
    code: "malformed",
  },
  { name: "no epoch", text: '{"op":"select","transport":"rtp"}', code: "malformed" },
  { name: "a time that is no number", text: '{"op":"ping","id":1,"at":null}', code: "malformed" },
  { name: "an endless time", text: '{"op":"ping","id":1,"at":1e999}', code: "malformed" },
  {
    name: "a screen without height",
    text: '{"op":"screen","width":1,"height":0}',
    code: "malformed",
  },
  { name: "a screen too wide", text: '{"op":"screen","width":8193,"height":1}', code: "malformed" },
  {
    name: "a cursor too large",
    text: '{"op":"cursor","width":97,"height":1,"hotX":0,"hotY":0,"rgba":""}',
    code: "malformed",
  },
  {
    name: "a cursor that is not base64",
    text: '{"op":"cursor","width":1,"height":1,"hotX":0,"hotY":0,"rgba":"<svg/>"}',
    code: "malformed",
  },
  {
    name: "a cursor with more pixels than any",
    text: JSON.stringify({
      op: "cursor",
      width: 1,
      height: 1,
      hotX: 0,
      hotY: 0,
      rgba: "AAAA".repeat(13_001),
    }),
    code: "malformed",
  },
  { name: "an unknown fault", text: '{"op":"fault","code":"on-fire"}', code: "malformed" },
  { name: "too much", text: `"${"x".repeat(64 * 1024 - 4096)}"`, code: "too-large" },
];
