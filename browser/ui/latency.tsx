/** How long the picture was on its way, and where the time went. */
import { LATENCY_PARTS, type LatencyPart, type LatencyView } from "../core/mod.ts";
import { milliText } from "./format.ts";
import { UNKNOWN } from "./words.ts";

/** The agent's parts, the network's, and this browser's are families of colour. */
const LOOKS: Readonly<Record<LatencyPart, string>> = {
  capture: "bg-accent-ink/60",
  encode: "bg-accent-ink",
  network: "bg-line-strong",
  buffer: "bg-good/50",
  decode: "bg-good/75",
  paint: "bg-good",
};
const WORDS: Readonly<Record<LatencyPart, readonly [string, string]>> = {
  capture: ["Capture", "From the screen's notice of a change until its pixels were read"],
  encode: ["Encode", "Until the agent had packed them, its waiting for room included"],
  network: ["Network", "Until the last byte was here"],
  buffer: ["Buffer", "Held back by the browser"],
  decode: ["Decode", "Unpacked by the browser"],
  paint: ["Paint", "Until the page was rendered with it"],
};

const EXACTNESS = "The two clocks are compared by pings; they may be wrong by half the quickest " +
  "round trip. What compositor and monitor add is not counted: no page is told.";

/** The whole with its error, a bar of its parts, and the parts in figures. */
export function Latency({ latency }: { latency: LatencyView | null }) {
  return (
    <section aria-labelledby="latency-title" className="mt-3 rounded-xl border border-line p-3">
      <div className="flex items-baseline justify-between gap-3">
        <h3 className="text-xs text-muted" id="latency-title">Capture to glass</h3>
        <p className="font-semibold tabular-nums" title={EXACTNESS}>
          <span data-testid="hud-latency" data-value={latency?.totalMs ?? ""}>
            {milliText(latency?.totalMs ?? null)}
          </span>
          <span
            className="ml-1.5 text-xs font-medium text-muted"
            data-testid="hud-latency-error"
            data-value={latency?.errorMs ?? ""}
          >
            {latency === null ? "" : `± ${milliText(latency.errorMs)}`}
          </span>
        </p>
      </div>
      <p className="sr-only">{EXACTNESS}</p>
      {latency === null ? null : <Bar latency={latency} />}
      <dl className="mt-2 grid grid-cols-2 gap-x-5 gap-y-1 text-xs tabular-nums">
        {LATENCY_PARTS.map((part) => (
          <div className="flex items-baseline gap-1.5" key={part} title={WORDS[part][1]}>
            <dt className="flex min-w-0 items-baseline gap-1.5 text-muted">
              <span aria-hidden="true" className={`size-2 shrink-0 rounded-xs ${LOOKS[part]}`} />
              {WORDS[part][0]}
            </dt>
            <dd
              className="ml-auto font-medium"
              data-testid={`hud-latency-${part}`}
              data-value={latency?.[part] ?? ""}
            >
              {latency === null ? UNKNOWN : figure(latency[part])}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Milliseconds without their unit, which the whole has. */
const figure = (ms: number): string => ms < 10 ? ms.toFixed(1) : String(Math.round(ms));

function Bar({ latency }: { latency: LatencyView }) {
  const shares = LATENCY_PARTS.map((part) => [part, Math.max(0, latency[part])] as const);
  return (
    <div aria-hidden="true" className="mt-2 flex h-2 gap-px overflow-hidden rounded-sm">
      {shares.map(([part, ms]) => (
        <span className={LOOKS[part]} key={part} style={{ flexGrow: ms, flexBasis: 0 }} />
      ))}
    </div>
  );
}
