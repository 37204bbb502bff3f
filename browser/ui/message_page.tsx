/** Pages that say one thing: signed out, or broken. */
import { Component, type ReactNode } from "react";
import { Button } from "./controls.tsx";
import { Frame } from "./frame.tsx";
import { Icon, type IconName } from "./icons.tsx";

interface MessageProps {
  readonly icon: IconName;
  readonly title: string;
  readonly children: ReactNode;
  readonly testId: string;
}

function Message({ icon, title, children, testId }: MessageProps) {
  return (
    <section
      aria-labelledby="message-title"
      className="mx-auto mt-4 max-w-lg rounded-2xl border border-line bg-surface p-7 shadow-card sm:mt-14 sm:p-9"
      data-testid={testId}
      role="alert"
    >
      <span className="inline-flex size-11 items-center justify-center rounded-xl bg-accent-soft text-accent-ink">
        <Icon name={icon} size={22} />
      </span>
      <h1 className="mt-5 text-xl font-semibold tracking-tight text-balance" id="message-title">
        {title}
      </h1>
      <div className="mt-2 space-y-4 text-muted">{children}</div>
    </section>
  );
}

/** Shown when the server does not know this browser any more. */
export function SignedOutPage() {
  return (
    <Frame>
      <Message icon="power" testId="signed-out" title="You are signed out">
        <p>
          Your sign-in has ended or was never made in this browser. Open a fresh sign-in link: press
          Enter in the terminal where the demo runs, or ask whoever runs the server for one.
        </p>
        <p>A link works once and for ten minutes.</p>
        <Button className="mt-2" look="primary" onClick={() => location.reload()}>
          Try again
        </Button>
      </Message>
    </Frame>
  );
}

function BrokenPage({ error }: { error: unknown }) {
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : "Unknown error";
  return (
    <Frame>
      <Message icon="warning" testId="broken" title="The console ran into a problem">
        <p>
          Reload the page to go on: the desktop itself is not affected. If this comes back, tell
          whoever runs the server what stands below.
        </p>
        <pre className="rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-xs wrap-anywhere whitespace-pre-wrap text-ink">{detail}</pre>
        <Button look="primary" onClick={() => location.reload()}>Reload the page</Button>
      </Message>
    </Frame>
  );
}

interface BoundaryState {
  readonly failed: boolean;
  readonly error: unknown;
}

/** Turns a crash while painting into a readable page. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, BoundaryState> {
  override state: BoundaryState = { failed: false, error: null };

  static getDerivedStateFromError(error: unknown): BoundaryState {
    return { failed: true, error };
  }

  override render(): ReactNode {
    return this.state.failed ? <BrokenPage error={this.state.error} /> : this.props.children;
  }
}
