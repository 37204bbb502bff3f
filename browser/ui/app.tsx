/** The console's whole user interface. */
import { useEffect, useSyncExternalStore } from "react";
import type { ConsoleClient } from "../core/mod.ts";
import { HistoryPage, RecordPage } from "./history_page.tsx";
import { ListPage } from "./list_page.tsx";
import { SignedOutPage } from "./message_page.tsx";
import { useNavigation } from "./navigation.ts";
import { pendingSession } from "./pending_session.ts";
import { SessionPage } from "./session_page.tsx";
import { titleWords } from "./words.ts";

/** Shows the page that the address and the client's view ask for. */
export function App({ client }: { client: ConsoleClient }) {
  const view = useSyncExternalStore(client.subscribe, client.getView);
  const { route, openDesktop, openList } = useNavigation(client, view);
  const session = route.page !== "session"
    ? null
    : view.session?.desktopId === route.desktopId
    ? view.session
    : pendingSession(route.desktopId, view);
  const title = titleWords(view.link, session);
  useEffect(() => {
    document.title = title;
  }, [title]);

  const over = session === null || session.sessionId === null || session.phase.kind === "ended";
  if (view.link.state === "signed-out" && over) return <SignedOutPage />;
  if (route.page === "history") {
    const { desktopId } = route;
    const desktopName = view.desktops?.find((d) => d.desktopId === desktopId)?.name ?? null;
    return <HistoryPage {...{ client, desktopId, desktopName }} link={view.link} />;
  }
  if (route.page === "record") {
    return <RecordPage client={client} link={view.link} sessionId={route.sessionId} />;
  }
  if (session === null) return <ListPage client={client} onConnect={openDesktop} view={view} />;
  return (
    <SessionPage
      client={client}
      key={session.desktopId}
      link={view.link}
      onConnectAgain={() => openDesktop(session.desktopId)}
      onLeave={openList}
      session={session}
    />
  );
}
