/**
 * Notices that `npx` was ended. Ended by SIGTERM, npx ends its shell only: `deno task` and what
 * it runs would live on without anybody knowing them.
 */

const POLL_MS = 250;

/** Calls `onGone` once when the `npx` that started `deno task` is gone; elsewhere does nothing. */
export function watchNpx(onGone: () => void): void {
  // Set by npx for what it runs. Without it, the launcher may well end before us (nohup).
  if (Deno.env.get("npm_command") !== "exec") return;
  const task = Deno.ppid;
  const shell = statOf(task)?.parent;
  if (shell === undefined) return;
  const timer = setInterval(() => {
    if (statOf(task)?.parent === shell) return;
    clearInterval(timer);
    onGone();
  }, POLL_MS);
}

/** What the system says of a process. */
export interface ProcessStat {
  readonly parent: number;
  readonly group: number;
  /** The process group that its terminal listens to. */
  readonly terminalGroup: number;
}

/** Reads /proc; null when the process is gone or the system has none. */
export function statOf(pid: number): ProcessStat | null {
  let stat: string;
  try {
    stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch {
    return null;
  }
  // proc_pid_stat(5): pid (name) state ppid pgrp session tty_nr tpgid …; the name may hold
  // blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  return { parent: fields[1], group: fields[2], terminalGroup: fields[5] };
}
