/**
 * Preloaded into what the demo starts. A demo that is killed outright can end nothing any more,
 * and the screen must not stay shared behind its owner's back.
 */

const POLL_MS = 500;
/** What does not end by Ctrl-C in this time has to. */
const GRACE_MS = 2_000;

const parent = Deno.ppid;
const timer = setInterval(() => {
  if (Deno.ppid === parent) return;
  clearInterval(timer);
  Deno.unrefTimer(setTimeout(() => Deno.exit(1), GRACE_MS));
  Deno.kill(Deno.pid, Deno.build.os === "windows" ? "SIGTERM" : "SIGINT");
}, POLL_MS);
Deno.unrefTimer(timer);
