/** Ties the address to the session: going to a desktop connects, leaving it disconnects. */
import { useEffect, useRef, useState } from "react";
import type { ConsoleClient, ConsoleView } from "../core/mod.ts";
import { parseRoute, type Route, routePath } from "./route.ts";

/** Where the operator is and how to go elsewhere. */
export interface Navigation {
  readonly route: Route;
  /** Connects to a desktop, or again to the one shown. */
  readonly openDesktop: (desktopId: string) => void;
  readonly openList: () => void;
}

/**
 * Follows back, forward and hand-made addresses. An address may name a desktop before the list
 * has it: the wish is kept and granted as soon as the desktop is there and online.
 */
export function useNavigation(client: ConsoleClient, view: ConsoleView): Navigation {
  const [route, setRoute] = useState(() => parseRoute(location.search, location.hash));
  const asked = useRef<string | null>(null);

  useEffect(() => {
    const follow = () => setRoute(parseRoute(location.search, location.hash));
    addEventListener("popstate", follow);
    addEventListener("hashchange", follow);
    return () => {
      removeEventListener("popstate", follow);
      removeEventListener("hashchange", follow);
    };
  }, []);

  const connect = (desktopId: string) => {
    asked.current = desktopId;
    client.connect(desktopId);
  };

  const { session } = view;
  const wanted = route.page === "session" ? route.desktopId : null;
  useEffect(() => {
    if (asked.current !== null && asked.current === wanted) return;
    asked.current = null;
    if (session !== null && session.desktopId !== wanted) client.disconnect();
    // The session is read when the page changes, not followed.
  }, [wanted]);

  const held = session !== null && session.desktopId === wanted;
  const listed = view.link.state === "online" &&
    view.desktops?.some((desktop) => desktop.desktopId === wanted && desktop.online) === true;
  useEffect(() => {
    if (wanted === null || !listed) return;
    if (!held && asked.current !== wanted) connect(wanted);
    if (location.search === "") return;
    history.replaceState(null, "", routePath({ page: "session", desktopId: wanted }));
  }, [wanted, listed, held]);

  const go = (next: Route) => {
    history.pushState(null, "", routePath(next));
    setRoute(next);
  };
  return {
    route,
    openDesktop: (desktopId) => {
      connect(desktopId);
      if (desktopId !== wanted) go({ page: "session", desktopId });
    },
    openList: () => go({ page: "list" }),
  };
}
