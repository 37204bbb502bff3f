/** The session's course as a picture: a lane each for signalling, connection, first frame, transport. */
import { useEffect, useState } from "react";
import { bundlePath, type ConsoleClient, type SessionRecord } from "../core/mod.ts";
import { Button } from "./controls.tsx";

type Lane = SessionRecord["lanes"][number];

const LANE_WORDS: Readonly<Record<Lane["lane"], string>> = {
  "signalling": "Signalling",
  "connection": "Connection",
  "first-frame": "First picture",
  "transport": "Picture by",
};
/** Width of the drawing in its own units. */
const WIDTH = 300;
const LANE_HEIGHT = 26;
const BAR_HEIGHT = 12;
/** Shorter stretches are drawn this wide, so that they can be seen. */
const MIN_BAR = 2;

type Loaded = SessionRecord | "loading" | "none";

interface LanesProps {
  readonly sessionId: string | null;
  readonly readRecord: ConsoleClient["readRecord"];
}

/** Opens on demand; each opening reads the record anew. */
export function Lanes({ sessionId, ...props }: LanesProps) {
  const [open, setOpen] = useState(false);
  if (sessionId === null) return null;
  return (
    <section className="mt-5">
      <div className="flex flex-wrap gap-3">
        <Button onClick={() => setOpen(!open)} testId="lanes-toggle">
          {open ? "Hide the course" : "Show the course"}
        </Button>
        <a
          className="self-center rounded-sm text-accent-ink underline"
          data-testid="export-bundle"
          download
          href={bundlePath(sessionId)}
        >
          Export for support
        </a>
      </div>
      {open ? <Course key={sessionId} sessionId={sessionId} {...props} /> : null}
    </section>
  );
}

function Course({ sessionId, readRecord }: LanesProps & { readonly sessionId: string }) {
  const [loaded, setLoaded] = useState<Loaded>("loading");
  useEffect(() => {
    let gone = false;
    readRecord(sessionId).then((record) => {
      if (!gone) setLoaded(record ?? "none");
    });
    return () => {
      gone = true;
    };
  }, [sessionId, readRecord]);
  if (loaded === "loading") return <p className="mt-3 text-muted" role="status">Reading…</p>;
  if (loaded === "none") {
    return <p className="mt-3 text-muted" role="status">The server has no record of the session</p>;
  }
  return <Drawing timeline={loaded} />;
}

const secondsText = (ms: number): string =>
  ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.round(ms / 1000)} s`;

function Drawing({ timeline }: { timeline: SessionRecord }) {
  const { lanes, startedAt } = timeline;
  const until = Math.max(
    startedAt + 1,
    ...lanes.flatMap((lane) => lane.spans.map((span) => span.to)),
  );
  const height = lanes.length * LANE_HEIGHT;
  return (
    <figure className="mt-3" data-testid="lanes">
      <svg
        aria-label={`Course of the session over ${secondsText(until - startedAt)}`}
        className="w-full"
        role="img"
        viewBox={`0 0 ${WIDTH} ${height}`}
      >
        {lanes.map((lane, i) => (
          <Bars
            key={lane.lane}
            lane={lane}
            scale={{ startedAt, perMs: WIDTH / (until - startedAt) }}
            top={i * LANE_HEIGHT}
          />
        ))}
      </svg>
      <figcaption>
        <details>
          <summary className="text-muted">The same in words</summary>
          {lanes.map((lane) => <Words key={lane.lane} lane={lane} startedAt={startedAt} />)}
        </details>
      </figcaption>
    </figure>
  );
}

interface BarsProps {
  readonly lane: Lane;
  readonly top: number;
  readonly scale: { readonly startedAt: number; readonly perMs: number };
}

function Bars({ lane, top, scale }: BarsProps) {
  return (
    <g data-lane={lane.lane}>
      <text className="fill-muted" fontSize="9" x="0" y={top + 9}>{LANE_WORDS[lane.lane]}</text>
      {lane.spans.map(({ from, to, label, cause }, i) => (
        <rect
          className={i % 2 === 0 ? "fill-accent-ink" : "fill-line-strong"}
          height={BAR_HEIGHT}
          key={`${from} ${label}`}
          rx="1"
          width={Math.max(MIN_BAR, (to - from) * scale.perMs)}
          x={Math.max(0, (from - scale.startedAt) * scale.perMs)}
          y={top + 12}
        >
          <title>
            {`${label}, ${secondsText(to - from)}${cause === null ? "" : `: ${cause}`}`}
          </title>
        </rect>
      ))}
    </g>
  );
}

function Words({ lane, startedAt }: { lane: Lane; startedAt: number }) {
  return (
    <table className="mt-2 w-full text-left tabular-nums">
      <caption className="text-left font-semibold">{LANE_WORDS[lane.lane]}</caption>
      <thead className="text-muted">
        <tr>
          <th scope="col">What</th>
          <th scope="col">From</th>
          <th scope="col">For</th>
          <th scope="col">Why</th>
        </tr>
      </thead>
      <tbody>
        {lane.spans.map(({ from, to, label, cause }) => (
          <tr key={`${from} ${label}`}>
            <td>{label}</td>
            <td>{secondsText(from - startedAt)}</td>
            <td>{secondsText(to - from)}</td>
            <td className="wrap-anywhere">{cause ?? ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
