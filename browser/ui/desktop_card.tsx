/** One desktop in the list. */
import { type DesktopSummary, REASONS } from "@farglass/protocol";
import { Button, Dot } from "./controls.tsx";
import { spanText } from "./format.ts";
import { Icon } from "./icons.tsx";
import { routePath } from "./route.ts";
import { captureWords, policyLabels } from "./words.ts";

/** Properties of `DesktopCard`. */
export interface DesktopCardProps {
  readonly desktop: DesktopSummary;
  readonly now: number;
  readonly reachable: boolean;
  readonly onConnect: (desktopId: string) => void;
}

/** What a desktop is and how it stands; a click anywhere on it connects. */
export function DesktopCard({ desktop, now, reachable, onConnect }: DesktopCardProps) {
  const closed = desktop.policy.consent === "deny";
  const usable = desktop.online && reachable && !closed;
  const facts = [
    ...(desktop.width > 0 ? [`${desktop.width} × ${desktop.height}`] : []),
    captureWords(desktop.capture),
  ];
  return (
    <li
      className={`relative flex flex-col rounded-2xl border border-line bg-surface p-5 shadow-card transition-colors ${
        usable ? "hover:border-accent-ink/50" : ""
      }`}
      data-desktop-id={desktop.desktopId}
      data-online={desktop.online}
      data-testid="desktop-card"
    >
      <div className="flex items-start gap-3.5">
        <span
          className={`inline-flex size-11 shrink-0 items-center justify-center rounded-xl ${
            desktop.online ? "bg-accent-soft text-accent-ink" : "bg-sunken text-muted"
          }`}
        >
          <Icon name="screen" size={24} />
        </span>
        <div className="min-w-0 flex-1">
          <h2 className="truncate text-base font-semibold" title={desktop.name}>{desktop.name}</h2>
          <p className="truncate text-muted" title={`${desktop.hostname}, ${desktop.os}`}>
            {desktop.hostname} · {desktop.os}
          </p>
        </div>
      </div>
      <Presence online={desktop.online} sinceText={spanText(now - desktop.since)} />
      <p className="mt-1.5 text-muted tabular-nums">{facts.join(" · ")}</p>
      <Labels labels={policyLabels(desktop)} />
      <a
        aria-label={`Past sessions of ${desktop.name}`}
        className="relative z-1 mt-2 self-start rounded-sm font-medium text-accent-ink hover:underline"
        href={routePath({ page: "history", desktopId: desktop.desktopId })}
      >
        Past sessions
      </a>
      <div className="mt-auto flex items-center justify-between gap-3 pt-5">
        <Viewers desktop={desktop} />
        <Button
          className="px-5 after:absolute after:inset-0 after:rounded-2xl"
          disabled={!usable}
          label={`Connect to ${desktop.name}`}
          look={usable ? "primary" : "secondary"}
          onClick={() => onConnect(desktop.desktopId)}
          testId="connect"
          title={closed ? REASONS["denied-by-policy"] : undefined}
        >
          Connect
        </Button>
      </div>
    </li>
  );
}

function Presence({ online, sinceText }: { online: boolean; sinceText: string }) {
  return (
    <p className="mt-4 flex items-center gap-2">
      <Dot tone={online ? "good" : "idle"} />
      <span className={`font-medium ${online ? "text-good" : "text-muted"}`}>
        {online ? "Online" : "Offline"}
      </span>
      <span className="text-muted tabular-nums">for {sinceText}</span>
    </p>
  );
}

function Viewers({ desktop }: { desktop: DesktopSummary }) {
  const { online, viewers } = desktop;
  const text = !online
    ? "Waiting for its agent"
    : viewers === 0
    ? "Nobody is watching"
    : viewers === 1
    ? "1 viewer"
    : `${viewers} viewers`;
  return (
    <span className="flex min-w-0 items-center gap-1.5 text-muted" data-viewers={viewers}>
      {online ? <Icon name="users" size={16} /> : null}
      <span className="truncate">{text}</span>
    </span>
  );
}

function Labels({ labels }: { labels: readonly string[] }) {
  if (labels.length === 0) return null;
  return (
    <ul aria-label="Policy" className="mt-3 flex flex-wrap gap-1.5">
      {labels.map((label) => (
        <li
          className="rounded-md border border-line bg-canvas px-2 py-0.5 text-xs font-medium text-muted"
          key={label}
        >
          {label}
        </li>
      ))}
    </ul>
  );
}
