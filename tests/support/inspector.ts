/** The inspector of a process that was started with `--inspect`: its heap, and where its time goes. */

/** What one function of the script used, with the functions below it left out. */
export interface ProfiledFunction {
  readonly name: string;
  /** Of its script; functions of the runtime have the nearest caller's. */
  readonly url: string;
  readonly ms: number;
}

export interface Inspector extends AsyncDisposable {
  /** Bytes of the heap after a collection. */
  heapBytes(): Promise<number>;
  /** Samples the script's thread while `work` runs; waiting is `(idle)`. */
  profile(work: () => Promise<unknown>): Promise<readonly ProfiledFunction[]>;
}

/** The parts of Profiler.Profile (Chrome DevTools Protocol) that are read. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const SAMPLE_US = 500;

export async function inspect(port: number): Promise<Inspector> {
  const list = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
  const socket = new WebSocket(list[0].webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("The inspector does not answer"));
  });
  let id = 0;
  const ask = <T>(method: string, params = {}) =>
    new Promise<T>((resolve) => {
      const wanted = ++id;
      const listen = ({ data }: MessageEvent) => {
        const answer = JSON.parse(data);
        if (answer.id !== wanted) return;
        socket.removeEventListener("message", listen);
        resolve(answer.result);
      };
      socket.addEventListener("message", listen);
      socket.send(JSON.stringify({ id: wanted, method, params }));
    });
  return {
    heapBytes: async () => {
      await ask("HeapProfiler.collectGarbage");
      return (await ask<{ usedSize: number }>("Runtime.getHeapUsage")).usedSize;
    },
    profile: async (work) => {
      await ask("Profiler.enable");
      await ask("Profiler.setSamplingInterval", { interval: SAMPLE_US });
      await ask("Profiler.start");
      await work();
      const { profile } = await ask<{ profile: Profile }>("Profiler.stop");
      await ask("Profiler.disable");
      return functionsOf(profile);
    },
    [Symbol.asyncDispose]: () => {
      socket.close();
      return Promise.resolve();
    },
  };
}

function functionsOf({ nodes, samples, timeDeltas }: Profile): ProfiledFunction[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const urls = new Map<number, string>();
  const visit = (at: number, callerUrl: string) => {
    const { callFrame, children = [] } = byId.get(at)!;
    const url = /^(file|npm|https?):/.test(callFrame.url) ? callFrame.url : callerUrl;
    urls.set(at, url);
    for (const child of children) visit(child, url);
  };
  visit(nodes[0].id, "");
  const ms = new Map<number, number>();
  samples.forEach((at, i) => ms.set(at, (ms.get(at) ?? 0) + timeDeltas[i] / 1_000));
  return [...ms].map(([at, used]) => ({
    name: byId.get(at)!.callFrame.functionName,
    url: urls.get(at) ?? "",
    ms: used,
  }));
}
