/** Which page the address names, and the other way round. */

/** The console has two pages. */
export type Route =
  | { readonly page: "list" }
  | { readonly page: "session"; readonly desktopId: string };

/** A desktop's id as the server makes it; anything else in an address is ignored. */
const DESKTOP_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Reads `#/session/<id>`, and `?connect=<id>` as a wish to go there. */
export function parseRoute(search: string, hash: string): Route {
  const wished = new URLSearchParams(search).get("connect");
  const named = /^#\/session\/([^/?]+)$/.exec(hash)?.[1] ?? null;
  for (const desktopId of [named, wished]) {
    if (desktopId !== null && DESKTOP_ID.test(desktopId)) return { page: "session", desktopId };
  }
  return { page: "list" };
}

/** The address of a page, relative to the console's root. */
export const routePath = (route: Route): string =>
  route.page === "list" ? "/" : `/#/session/${route.desktopId}`;
