/** Which page the address names, and the other way round. */

/** The console's pages. */
export type Route =
  | { readonly page: "list" }
  | { readonly page: "session"; readonly desktopId: string }
  /** The sessions that a desktop has had. */
  | { readonly page: "history"; readonly desktopId: string }
  /** One session, also long after its end: what an event for security teams names. */
  | { readonly page: "record"; readonly sessionId: string };

/** An id as the server makes it; anything else in an address is ignored. */
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Reads `#/session/<desktop>` and its like, and `?connect=<desktop>` as a wish to go there. */
export function parseRoute(search: string, hash: string): Route {
  const [, page, id = ""] = /^#\/(session|history|record)\/([^/?]+)$/.exec(hash) ?? [];
  if (ID.test(id)) {
    if (page === "record") return { page, sessionId: id };
    if (page === "history") return { page, desktopId: id };
    return { page: "session", desktopId: id };
  }
  const wished = new URLSearchParams(search).get("connect");
  return wished !== null && ID.test(wished)
    ? { page: "session", desktopId: wished }
    : { page: "list" };
}

/** The address of a page, relative to the console's root. */
export function routePath(route: Route): string {
  switch (route.page) {
    case "list":
      return "/";
    case "record":
      return `/#/record/${route.sessionId}`;
    case "session":
    case "history":
      return `/#/${route.page}/${route.desktopId}`;
  }
}
