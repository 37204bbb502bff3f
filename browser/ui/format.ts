/** Numbers and times as the HUD and the list print them. */
import { UNKNOWN } from "./words.ts";

/** `12.3 Mb/s`, `840 kb/s`, or a dash. */
export function bitrateText(kbps: number | null): string {
  if (kbps === null) return UNKNOWN;
  return kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mb/s` : `${Math.round(kbps)} kb/s`;
}

/** `12 ms`, one decimal under ten, or a dash. */
export function milliText(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
}

/** A share of 0..1 as `0 %`, `0.4 %` or `12 %`, or a dash. */
export function percentText(share: number | null): string {
  if (share === null) return UNKNOWN;
  const percent = share * 100;
  return `${percent > 0 && percent < 10 ? Number(percent.toFixed(1)) : Math.round(percent)} %`;
}

/** Frames per second without decimals, or a dash. */
export const fpsText = (fps: number | null): string =>
  fps === null ? UNKNOWN : String(Math.round(fps));

/** Time left as `m:ss`, `0:00` once it is over. */
export function countdownText(leftMs: number): string {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** A length of time in its one or two largest units: `40 s`, `3 min`, `2 h 5 min`, `4 d`. */
export function spanText(spanMs: number): string {
  const seconds = Math.max(0, Math.floor(spanMs / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** Wall-clock time of day with seconds, in 24 hours. */
export function clockText(atMs: number): string {
  const date = new Date(atMs);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Date and time of day to the second, in 24 hours: `2026-11-25 13:52:09`. */
export function momentText(atMs: number): string {
  const date = new Date(atMs);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${clockText(atMs)}`;
}
