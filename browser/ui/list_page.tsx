/** The list of desktops: one click connects. */
import type { DesktopSummary } from "@farglass/protocol";
import { useState } from "react";
import type { ConsoleClient, ConsoleView } from "../core/mod.ts";
import { Button } from "./controls.tsx";
import { DesktopCard } from "./desktop_card.tsx";
import { Frame } from "./frame.tsx";
import { useNow } from "./hooks.ts";
import { Icon } from "./icons.tsx";
import { LinkBanner, LinkStatus } from "./link_banner.tsx";

/** Properties of `ListPage`. */
export interface ListPageProps {
  readonly client: ConsoleClient;
  readonly view: ConsoleView;
  readonly onConnect: (desktopId: string) => void;
}

/** Every desktop the server knows, those online first. */
export function ListPage({ client, view, onConnect }: ListPageProps) {
  const now = useNow();
  const desktops = view.desktops === null ? null : [...view.desktops].sort(byUse);
  const online = desktops?.filter((desktop) => desktop.online).length ?? 0;
  return (
    <Frame status={<LinkStatus link={view.link} />}>
      <LinkBanner link={view.link} onRetry={() => client.retryNow()} />
      <div className="mb-5 flex items-baseline justify-between gap-4">
        <h1 className="text-2xl font-semibold tracking-tight">Desktops</h1>
        {desktops === null || desktops.length === 0
          ? null
          : <p className="text-muted tabular-nums">{online} of {desktops.length} online</p>}
      </div>
      <div aria-busy={desktops === null} aria-live="polite" data-testid="desktop-list">
        {desktops === null
          ? <Placeholder />
          : desktops.length === 0
          ? <NoDesktops />
          : (
            <ul className="grid grid-cols-1 gap-4 sm:grid-cols-2 lg:grid-cols-3">
              {desktops.map((desktop) => (
                <DesktopCard
                  desktop={desktop}
                  key={desktop.desktopId}
                  now={now}
                  onConnect={onConnect}
                  reachable={view.link.state === "online"}
                />
              ))}
            </ul>
          )}
      </div>
    </Frame>
  );
}

const byUse = (a: DesktopSummary, b: DesktopSummary): number =>
  Number(b.online) - Number(a.online) || a.name.localeCompare(b.name);

function Placeholder() {
  return (
    <div
      aria-label="Reading the list"
      className="grid grid-cols-1 gap-4 sm:grid-cols-2 lg:grid-cols-3"
    >
      {[0, 1, 2].map((n) => (
        <div
          className="h-52 rounded-2xl border border-line bg-surface motion-safe:animate-pulse"
          key={n}
        />
      ))}
    </div>
  );
}

function NoDesktops() {
  const socket = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
  return (
    <section
      className="rounded-2xl border border-dashed border-line-strong/60 bg-surface px-6 py-12 text-center sm:px-12"
      data-testid="no-desktops"
    >
      <span className="inline-flex size-13 items-center justify-center rounded-2xl bg-accent-soft text-accent-ink">
        <Icon name="screen" size={28} />
      </span>
      <h2 className="mt-5 text-lg font-semibold">No desktop is shared yet</h2>
      <p className="mx-auto mt-2 max-w-md text-muted text-balance">
        Start an agent on the machine that you want to see. It appears here by itself.
      </p>
      <CopyLine text={`deno task agent -- --server ${socket}`} />
      <p className="mx-auto mt-3 max-w-md text-xs text-muted text-balance">
        The agent also needs the secret that the server wrote when it started; its log names the
        file.
      </p>
    </section>
  );
}

function CopyLine({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      setCopied(false); // no permission: the text can still be selected by hand
    }
  };
  return (
    <div className="mx-auto mt-6 flex max-w-xl items-center gap-1 rounded-xl border border-line bg-sunken py-1 pr-1 pl-4 text-left">
      <code className="thin-scroll min-w-0 flex-1 overflow-x-auto py-2 font-mono text-xs whitespace-nowrap sm:text-sm">
        {text}
      </code>
      <Button className="h-8" label="Copy the command" look="quiet" onClick={() => void copy()}>
        <Icon name={copied ? "check" : "copy"} size={16} />
        <span aria-live="polite">{copied ? "Copied" : "Copy"}</span>
      </Button>
    </div>
  );
}
