/** What lies over the picture while it is not simply live. */
import { useEffect, useRef } from "react";
import type { DisplaysView, Phase, SessionView } from "../core/mod.ts";
import { Button, Spinner } from "./controls.tsx";
import { Icon } from "./icons.tsx";
import { routePath } from "./route.ts";
import { retryText } from "../core/timeline.ts";
import { displayWords, endAdvice, reasonWords } from "./words.ts";

/** Before the first picture: a plain sentence and the way back. */
export function WaitingOverlay({ phase, onLeave }: { phase: Phase; onLeave: () => void }) {
  if (phase.kind !== "waiting") return null;
  return (
    <div
      className="absolute inset-0 z-10 flex items-center justify-center bg-stage p-6"
      data-testid="overlay-waiting"
    >
      <div className="flex max-w-sm animate-rise flex-col items-center text-center">
        <span className="text-accent-ink">
          <Spinner size={36} />
        </span>
        <p className="mt-5 text-base font-medium text-balance" role="status">{phase.text}</p>
        <Button className="mt-6" onClick={onLeave}>Back to the list</Button>
      </div>
    </div>
  );
}

/** The last picture stays visible and usable under it. */
export function RecoveringBanner({ phase }: { phase: Phase }) {
  if (phase.kind !== "recovering") return null;
  return (
    <div
      className="pointer-events-none absolute inset-x-0 top-3 z-10 flex justify-center px-3"
      data-testid="overlay-recovering"
    >
      <p
        className="flex animate-rise items-center gap-3 rounded-full border border-warn/35 bg-warn-soft py-2 pr-5 pl-3.5 shadow-float"
        role="status"
      >
        <span className="text-warn">
          <Spinner size={18} />
        </span>
        <span>
          <strong className="font-semibold">{phase.text}</strong>{" "}
          <span className="hidden text-muted sm:inline">· last picture shown</span>
        </span>
      </p>
    </div>
  );
}

/** The old display's last picture stays, dimmed, until the first one of the new display is there. */
export function SwitchingOverlay({ displays }: { displays: DisplaysView }) {
  if (displays.switchingTo === null) return null;
  return (
    <div
      className="absolute inset-0 z-10 flex animate-dim items-center justify-center bg-black/45"
      data-testid="display-switching"
    >
      <p
        className="flex items-center gap-3 rounded-full bg-black/75 py-2 pr-5 pl-3.5 text-white shadow-float"
        role="status"
      >
        <Spinner size={18} />
        {displayWords(displays, displays.switchingTo)}
      </p>
    </div>
  );
}

/** Properties of `EndedOverlay`. */
export interface EndedOverlayProps {
  readonly session: SessionView;
  readonly onConnectAgain: () => void;
  readonly onLeave: () => void;
}

/** Why it ended, what to try, and both ways on. */
export function EndedOverlay(props: EndedOverlayProps) {
  const { phase } = props.session;
  return phase.kind === "ended" ? <EndedDialog {...props} phase={phase} /> : null;
}

type EndedDialogProps = EndedOverlayProps & { readonly phase: Extract<Phase, { kind: "ended" }> };

function EndedDialog({ phase, session, onConnectAgain, onLeave }: EndedDialogProps) {
  const again = useRef<HTMLButtonElement>(null);
  useEffect(() => again.current?.focus(), []);
  const { reason, error } = phase;
  const { sessionId } = session;
  return (
    <div
      className="absolute inset-0 z-10 flex items-center justify-center overflow-y-auto bg-black/45 p-4 backdrop-blur-[2px]"
      data-reason={reason}
      data-testid="overlay-ended"
    >
      <div
        aria-describedby="ended-advice"
        aria-labelledby="ended-title"
        className="w-full max-w-md animate-rise rounded-2xl border border-line bg-surface p-6 shadow-float sm:p-7"
        role="alertdialog"
      >
        <div className="flex items-start gap-4">
          <span className="inline-flex size-10 shrink-0 items-center justify-center rounded-xl bg-bad-soft text-bad">
            <Icon name="power" size={20} />
          </span>
          <div className="min-w-0">
            <p className="text-xs font-medium text-muted">The session has ended</p>
            <h2 className="mt-0.5 text-base font-semibold text-balance" id="ended-title">
              {error?.message ?? reasonWords(reason)}
            </h2>
            <p className="mt-2 text-muted" id="ended-advice">
              {error?.advice ?? endAdvice(reason)}.{error === null ? "" : ` ${retryText(error)}.`}
            </p>
            <p className="mt-2 font-mono text-xs text-muted">{error?.code ?? reason}</p>
            {sessionId === null ? null : (
              <a
                className="mt-2 inline-block rounded-sm font-medium text-accent-ink hover:underline"
                data-testid="ended-record"
                href={routePath({ page: "record", sessionId })}
              >
                See its course, or export it for support
              </a>
            )}
          </div>
        </div>
        <div className="mt-6 flex flex-wrap justify-end gap-2">
          <Button onClick={onLeave} testId="back-to-list">Back to the list</Button>
          <Button look="primary" onClick={onConnectAgain} ref={again} testId="connect-again">
            Connect again
          </Button>
        </div>
      </div>
    </div>
  );
}

/** A short answer to something the operator tried. */
export function Notice({ text }: { text: string | null }) {
  return (
    <div
      className="pointer-events-none absolute inset-x-0 bottom-4 z-10 flex justify-center px-3"
      role="status"
    >
      {text === null ? null : (
        <p
          className="animate-rise rounded-xl bg-black/80 px-4 py-2 text-white shadow-float"
          data-testid="notice"
        >
          {text}
        </p>
      )}
    </div>
  );
}
