/** Sessions that are over, also long ago: of one desktop as a list, and one with its course. */
import { type ReactNode, useEffect, useState } from "react";
import {
  type ConsoleClient,
  courseTime,
  type KnownSession,
  type LinkView,
  outcomeWords,
} from "../core/mod.ts";
import { momentText } from "./format.ts";
import { Frame } from "./frame.tsx";
import { Course, Export } from "./lanes.tsx";
import { LinkStatus } from "./link_banner.tsx";
import { routePath } from "./route.ts";

type Loaded<T> = T | "loading" | "none";

/** Reads once for each key. */
function useLoaded<T>(key: string, read: (key: string) => Promise<T | null>): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>("loading");
  useEffect(() => {
    let gone = false;
    setLoaded("loading");
    read(key).then((found) => {
      if (!gone) setLoaded(() => found ?? "none");
    });
    return () => {
      gone = true;
    };
  }, [key, read]);
  return loaded;
}

interface PageProps {
  readonly client: ConsoleClient;
  readonly link: LinkView;
}

interface ShellProps {
  readonly link: LinkView;
  readonly back: string;
  readonly backWords: string;
  readonly title: string;
  readonly children: ReactNode;
}

function Shell({ link, back, backWords, title, children }: ShellProps) {
  return (
    <Frame status={<LinkStatus link={link} />}>
      <a className={LINK_LOOK} data-testid="history-back" href={back}>← {backWords}</a>
      <h1 className="mt-3 mb-5 text-2xl font-semibold tracking-tight wrap-anywhere">{title}</h1>
      {children}
    </Frame>
  );
}

/** Within the page; its plain address would load it anew. */
const LIST = "#";
const LINK_LOOK = "rounded-sm font-medium text-accent-ink hover:underline";

/** The sessions of one desktop, newest first. */
export function HistoryPage(
  { client, link, desktopId, desktopName }: PageProps & {
    readonly desktopId: string;
    readonly desktopName: string | null;
  },
) {
  const sessions = useLoaded(desktopId, client.readSessions);
  return (
    <Shell
      back={LIST}
      backWords="All desktops"
      link={link}
      title={`Sessions of ${desktopName ?? "a desktop"}`}
    >
      {sessions === "loading"
        ? <p className="text-muted" role="status">Reading…</p>
        : sessions === "none"
        ? <Unread what="The sessions" />
        : sessions.length === 0
        ? <p className="text-muted" role="status">Nobody has asked for this desktop yet.</p>
        : <SessionTable sessions={sessions} />}
    </Shell>
  );
}

function SessionTable({ sessions }: { sessions: readonly KnownSession[] }) {
  return (
    <ul
      className="divide-y divide-line rounded-2xl border border-line bg-surface"
      data-testid="history"
    >
      {sessions.map((session) => (
        <li
          className="flex flex-wrap items-baseline gap-x-5 gap-y-1 px-4 py-3"
          key={session.sessionId}
        >
          <a
            className={`${LINK_LOOK} tabular-nums`}
            href={routePath({ page: "record", sessionId: session.sessionId })}
          >
            {momentText(session.createdAt)}
          </a>
          <span className="text-muted">{session.operator}</span>
          <span className="min-w-0 grow basis-60 wrap-anywhere">{outcomeWords(session)}</span>
          <span className="text-muted tabular-nums">{lengthWords(session)}</span>
        </li>
      ))}
    </ul>
  );
}

const lengthWords = ({ createdAt, ended }: KnownSession): string =>
  ended === null ? "" : courseTime(Math.max(0, ended.at - createdAt));

/** One session: what is known of it, its course as a picture, its export. */
export function RecordPage(
  { client, link, sessionId }: PageProps & { readonly sessionId: string },
) {
  const session = useLoaded(sessionId, client.readSession);
  const back = session === "loading" || session === "none"
    ? { back: LIST, backWords: "All desktops" }
    : {
      back: routePath({ page: "history", desktopId: session.desktopId }),
      backWords: "Sessions of this desktop",
    };
  return (
    <Shell {...back} link={link} title="Course of a session">
      {session === "loading"
        ? <p className="text-muted" role="status">Reading…</p>
        : session === "none"
        ? <Unread what={`Session ${sessionId}`} />
        : (
          <div
            className="max-w-2xl rounded-2xl border border-line bg-surface p-5"
            data-testid="record"
          >
            <Facts session={session} />
            <Course readRecord={client.readRecord} sessionId={sessionId} />
            <Export exportBundle={client.exportBundle} sessionId={sessionId} />
          </div>
        )}
    </Shell>
  );
}

function Facts({ session }: { session: KnownSession }) {
  const { sessionId, operator, createdAt, ended } = session;
  const facts: readonly (readonly [string, string])[] = [
    ["Began", momentText(createdAt)],
    [
      "Ended",
      ended === null ? "Not yet" : `${momentText(ended.at)}, after ${lengthWords(session)}`,
    ],
    ["Why", outcomeWords(session)],
    ["Operator", operator],
    ["Session", sessionId],
  ];
  return (
    <dl className="divide-y divide-line">
      {facts.map(([name, value]) => (
        <div className="flex items-baseline justify-between gap-4 py-1.5" key={name}>
          <dt className="shrink-0 text-muted">{name}</dt>
          <dd className="text-right font-medium wrap-anywhere tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Unread({ what }: { what: string }) {
  return (
    <p className="max-w-xl text-muted" data-testid="history-none" role="status">
      {what}{" "}
      could not be read. The server keeps records for a week unless it is told otherwise
      (history.hours), and without Redis until it stops; it may also be out of reach: reload the
      page to try again.
    </p>
  );
}
