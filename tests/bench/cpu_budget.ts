/**
 * A fixed share of processor time for a process, by a control group of its own (version 2 or 1),
 * so that what one node carries can be compared with what two carry although both would fill the
 * machine. Needs root; null elsewhere.
 */
import { mkdir, rmdir, stat, writeFile } from "node:fs/promises";

/** Short, so that a process that has used up its share is not away for long. */
const PERIOD_US = 10_000;
/** A group can be removed once the kernel has let go of its last process. */
const REMOVE_ATTEMPTS = 50;

export interface CpuBudget extends AsyncDisposable {
  /** Puts a process, with all threads that it starts from now on and has, under the budget. */
  add(pid: number): Promise<void>;
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

/** `percent` of one core; null where this machine has no such groups or they are not ours. */
export async function cpuBudget(name: string, percent: number): Promise<CpuBudget | null> {
  const quotaUs = Math.round(PERIOD_US * percent / 100);
  const root = "/sys/fs/cgroup";
  const second = await exists(`${root}/cgroup.controllers`);
  const directory = `${root}${second ? "" : "/cpu"}/farglass-bench-${Deno.pid}-${name}`;
  try {
    await mkdir(directory);
  } catch {
    // Not root, or no such hierarchy.
    return null;
  }
  const remove = async () => {
    for (let i = 0; i < REMOVE_ATTEMPTS; i++) {
      try {
        return await rmdir(directory);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  try {
    if (second) await writeFile(`${directory}/cpu.max`, `${quotaUs} ${PERIOD_US}`);
    else {
      await writeFile(`${directory}/cpu.cfs_period_us`, String(PERIOD_US));
      await writeFile(`${directory}/cpu.cfs_quota_us`, String(quotaUs));
    }
  } catch {
    // The controller is not enabled here.
    await remove();
    return null;
  }
  return {
    add: (pid) => writeFile(`${directory}/cgroup.procs`, String(pid)),
    [Symbol.asyncDispose]: remove,
  };
}
