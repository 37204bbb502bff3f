/** What happened in the session, newest first, in plain words. */
import type { TimelineEntry } from "../core/mod.ts";
import { clockText } from "./format.ts";
import { Icon } from "./icons.tsx";
import { reasonWords } from "./words.ts";

const KIND_MARKS: Readonly<Record<TimelineEntry["kind"], string>> = {
  stage: "bg-accent-ink",
  transport: "bg-warn",
  error: "bg-bad",
  note: "bg-line-strong",
};

/** An ordered list; entries with more to tell unfold. */
export function Timeline({ entries }: { entries: readonly TimelineEntry[] }) {
  const newestFirst = [...entries].sort((a, b) => b.at - a.at || b.id - a.id);
  return (
    <section aria-labelledby="timeline-title" className="mt-5">
      <h3 className="text-xs font-semibold text-muted" id="timeline-title">What happened</h3>
      <ol className="mt-2" data-testid="hud-timeline" data-value={entries.length} reversed>
        {newestFirst.length === 0 ? <li className="py-1 text-muted">Nothing yet</li> : null}
        {newestFirst.map((entry) => <Entry entry={entry} key={entry.id} />)}
      </ol>
    </section>
  );
}

function Entry({ entry }: { entry: TimelineEntry }) {
  const reason = entry.reason === null ? null : reasonWords(entry.reason);
  const more = [
    ...(reason !== null && reason !== entry.text ? [reason] : []),
    ...(entry.detail === null ? [] : [entry.detail]),
  ];
  const line = (
    <>
      <span className="min-w-0 flex-1">{entry.text}</span>
      <time
        className="shrink-0 text-xs text-muted tabular-nums"
        dateTime={new Date(entry.at).toISOString()}
      >
        {clockText(entry.at)}
      </time>
      <span
        className={`shrink-0 self-center text-muted transition-transform group-open:rotate-180 ${
          more.length === 0 ? "invisible" : ""
        }`}
      >
        <Icon name="chevron" size={14} />
      </span>
    </>
  );
  return (
    <li
      className="relative border-l border-line pb-2.5 pl-4 last:pb-0"
      data-kind={entry.kind}
      data-reason={entry.reason ?? ""}
    >
      <span
        aria-hidden="true"
        className={`absolute top-1.5 -left-[4.5px] size-2 rounded-full ring-3 ring-surface ${
          KIND_MARKS[entry.kind]
        }`}
      />
      {more.length === 0
        ? <div className="flex items-baseline gap-2">{line}</div>
        : (
          <details className="group">
            <summary className="flex list-none items-baseline gap-2 rounded-sm hover:text-accent-ink [&::-webkit-details-marker]:hidden">
              {line}
            </summary>
            {more.map((text) => (
              <p className="mt-0.5 font-normal wrap-anywhere text-muted" key={text}>{text}</p>
            ))}
          </details>
        )}
    </li>
  );
}
