/** The session's course as a picture, on demand, and its export for support. */
import { useEffect, useState } from "react";
import type { ConsoleClient, SessionRecord } from "../core/mod.ts";
import { Button } from "./controls.tsx";
import { CoursePicture } from "./course_picture.tsx";
import { saveText } from "./save_text.ts";

type Loaded = SessionRecord | "loading" | "none";

interface LanesProps {
  readonly sessionId: string | null;
  readonly ended: boolean;
  readonly readRecord: ConsoleClient["readRecord"];
  readonly exportBundle: ConsoleClient["exportBundle"];
}

/** Opens on demand; each opening reads the record anew, and so does the session's end. */
export function Lanes({ sessionId, ended, readRecord, exportBundle }: LanesProps) {
  const [open, setOpen] = useState(false);
  if (sessionId === null) return null;
  return (
    <section aria-labelledby="course-title" className="mt-5">
      <h3 className="text-xs font-semibold text-muted" id="course-title">Course of the session</h3>
      <div className="mt-2 flex flex-wrap gap-2">
        <Button onClick={() => setOpen(!open)} testId="lanes-toggle">
          {open ? "Hide the course" : "Show the course"}
        </Button>
      </div>
      {open
        ? <Course key={`${sessionId} ${ended}`} readRecord={readRecord} sessionId={sessionId} />
        : null}
      <Export exportBundle={exportBundle} sessionId={sessionId} />
    </section>
  );
}

/** The picture of one session, read once. */
export function Course(
  { sessionId, readRecord }: {
    readonly sessionId: string;
    readonly readRecord: ConsoleClient["readRecord"];
  },
) {
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
  return <CoursePicture record={loaded} />;
}

type ExportState = "idle" | "busy" | "done" | "partial";

const EXPORT_WORDS: Readonly<Record<ExportState, string>> = {
  idle: "",
  busy: "Collecting…",
  done: "Saved",
  partial: "Saved without the server's part: it could not be read",
};

interface ExportProps {
  readonly sessionId: string;
  readonly exportBundle: ConsoleClient["exportBundle"];
}

/** One click saves the support bundle of a session. */
export function Export({ sessionId, exportBundle }: ExportProps) {
  const [addresses, setAddresses] = useState(false);
  const [state, setState] = useState<ExportState>("idle");
  const save = async () => {
    setState("busy");
    const { text, complete } = await exportBundle(sessionId, { addresses });
    saveText(`farglass-session-${sessionId}.json`, text);
    setState(complete ? "done" : "partial");
  };
  return (
    <div className="mt-3 rounded-xl border border-line p-3">
      <Button disabled={state === "busy"} onClick={() => void save()} testId="export-bundle">
        Export for support
      </Button>
      <label className="mt-2.5 flex items-start gap-2">
        <input
          checked={addresses}
          className="mt-0.5 size-4 shrink-0 accent-accent"
          data-testid="export-addresses"
          onChange={(event) => setAddresses(event.target.checked)}
          type="checkbox"
        />
        <span>Include addresses and names</span>
      </label>
      <p className="mt-1 text-xs text-muted">
        Timeline, statistics, decisions and versions. Passwords, tokens and session descriptions are
        never in it.
      </p>
      <p className="mt-1 text-xs text-muted empty:hidden" role="status">{EXPORT_WORDS[state]}</p>
    </div>
  );
}
