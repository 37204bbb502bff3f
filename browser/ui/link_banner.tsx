/** Says how the console stands with its server. */
import { never } from "@farglass/protocol";
import type { LinkView } from "../core/mod.ts";
import { Button, Dot, Spinner } from "./controls.tsx";
import { useNow } from "./hooks.ts";
import type { Tone } from "./words.ts";

const LINK_WORDS: Readonly<Record<LinkView["state"], readonly [string, Tone]>> = {
  "connecting": ["Connecting", "busy"],
  "online": ["Online", "good"],
  "waiting": ["Server waits", "busy"],
  "offline": ["Server unreachable", "bad"],
  "signed-out": ["Signed out", "bad"],
  "outdated": ["Reload the page", "bad"],
};

/** A dot and a word for the page's header. */
export function LinkStatus({ link }: { link: LinkView }) {
  const [text, tone] = LINK_WORDS[link.state];
  return (
    <span
      className="flex items-center gap-2 px-1 text-muted"
      data-testid="link-status"
      data-value={link.state}
      role="status"
    >
      <Dot tone={tone} />
      {text}
    </span>
  );
}

/** Properties of `LinkBanner`. */
export interface LinkBannerProps {
  readonly link: LinkView;
  readonly onRetry: () => void;
  /** In a session the picture may go on without the server. */
  readonly inSession?: boolean;
}

/** Nothing while all is well; otherwise what is wrong and what happens next. */
export function LinkBanner({ link, onRetry, inSession = false }: LinkBannerProps) {
  switch (link.state) {
    case "online":
      return null;
    case "connecting":
      return inSession ? null : (
        <div
          className="mb-5 flex items-center gap-3 rounded-xl border border-line bg-surface px-4 py-3 text-muted"
          data-testid="link-banner"
          role="status"
        >
          <Spinner size={18} />
          Connecting to the server
        </div>
      );
    case "waiting":
      return (
        <div className={bannerLook(inSession)} data-testid="link-banner" role="status">
          <p>
            <strong className="font-semibold">The server cannot reach its store.</strong>{" "}
            {inSession ? "The picture goes on; changes" : "New sessions"}{" "}
            wait and go on by themselves when the store is back.
          </p>
        </div>
      );
    case "offline":
      return <OfflineBanner inSession={inSession} link={link} onRetry={onRetry} />;
    case "signed-out":
      return (
        <div className={bannerLook(inSession)} data-testid="link-banner" role="alert">
          <p>
            <strong className="font-semibold">You are signed out.</strong>{" "}
            {inSession ? "A picture that still comes goes on. " : ""}Open a fresh sign-in link, in
            this tab or another.
          </p>
        </div>
      );
    case "outdated":
      return (
        <div className={bannerLook(inSession)} data-testid="link-banner">
          <p className="grow basis-64" role="alert">
            <strong className="font-semibold">
              This page is of another version than the server.
            </strong>{" "}
            {inSession ? "A picture that still comes goes on. " : ""}Reload the page; if that does
            not help, the server is the older one and has to be updated.
          </p>
          <Button className="h-8" onClick={() => location.reload()} testId="reload">
            Reload the page
          </Button>
        </div>
      );
    default:
      return never(link);
  }
}

const bannerLook = (inSession: boolean) =>
  `flex flex-wrap items-center gap-x-4 gap-y-2 border-warn/30 bg-warn-soft text-ink ${
    inSession ? "border-b px-4 py-1.5" : "mb-5 rounded-xl border px-4 py-3"
  }`;

function OfflineBanner(
  props: { link: LinkView & { state: "offline" }; inSession: boolean; onRetry: () => void },
) {
  const now = useNow();
  const leftS = Math.max(0, Math.ceil((props.link.retryAtMs - now) / 1000));
  return (
    <div className={bannerLook(props.inSession)} data-testid="link-banner">
      <p className="grow basis-64" role="alert">
        <strong className="font-semibold">The server cannot be reached.</strong> {props.inSession
          ? "The picture goes on where it has its own path."
          : "Check that it is running."}
      </p>
      <span className="text-muted tabular-nums" data-testid="link-retry-in">
        {leftS > 0 ? `Next attempt in ${leftS} s` : "Trying now"}
      </span>
      <Button className="h-8" onClick={props.onRetry} testId="retry-now">Retry now</Button>
    </div>
  );
}
