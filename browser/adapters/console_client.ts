/** The console's engine as the UI sees it. */
import type { ConsoleClient, ConsoleView } from "../core/mod.ts";

export interface ConsoleClientOptions {
  /** Where the server is; by default the page's own origin. */
  readonly origin?: string;
}

/** Connects to the server and keeps one session's picture, input and facts for the UI. */
export function createConsoleClient(_options: ConsoleClientOptions = {}): ConsoleClient {
  const view: ConsoleView = { link: { state: "connecting" }, desktops: null, session: null };
  const listeners = new Set<() => void>();
  return {
    connect: () => {},
    disconnect: () => {},
    choose: () => {},
    setViewOnly: () => {},
    sendSpecial: () => {},
    typeText: () => {},
    retryNow: () => {},
    getView: () => view,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    attach: () => () => {},
  };
}
