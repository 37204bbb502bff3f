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
  const shell = parentOf(task);
  if (shell === null) return;
  const timer = setInterval(() => {
    if (parentOf(task) === shell) return;
    clearInterval(timer);
    onGone();
  }, POLL_MS);
}

/** The parent of a process, or null when it is gone or the system has no /proc. */
function parentOf(pid: number): number | null {
  try {
    // proc_pid_stat(5): "pid (name) state ppid …"; the name may hold spaces and brackets.
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return null;
  }
}
