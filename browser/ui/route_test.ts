/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { parseRoute, type Route, routePath } from "./route.ts";

const A = "6f1c1f0e-8a3b-4a52-9d0e-2b7a5d1c0a01";
const B = "6f1c1f0e-8a3b-4a52-9d0e-2b7a5d1c0a02";
const list: Route = { page: "list" };
const at = (desktopId: string): Route => ({ page: "session", desktopId });

const CASES: readonly [search: string, hash: string, want: Route][] = [
  ["", "", list],
  ["", "#", list],
  ["", "#/", list],
  ["", `#/session/${A}`, at(A)],
  [`?connect=${A}`, "", at(A)],
  [`?x=1&connect=${A}`, "#", at(A)],
  [`?connect=${A}`, `#/session/${B}`, at(B)],
  ["?connect=", "", list],
  ["?connect=javascript:alert(1)", "", list],
  ["", "#/session/../../x", list],
  ["", `#/session/${A}/more`, list],
  ["", `#/history/${A}`, { page: "history", desktopId: A }],
  ["", `#/record/${B}`, { page: "record", sessionId: B }],
  [`?connect=${A}`, `#/record/${B}`, { page: "record", sessionId: B }],
  ["", "#/record/5", list],
];

for (const [search, hash, want] of CASES) {
  Deno.test(`parseRoute: "${search}${hash}" → ${want.page}`, () => {
    assert.deepEqual(parseRoute(search, hash), want);
  });
}

Deno.test("routePath: what it writes is what parseRoute reads", () => {
  const routes: readonly Route[] = [
    ...[list, at(A)],
    ...[{ page: "history", desktopId: A }, { page: "record", sessionId: B }] as const,
  ];
  for (const route of routes) {
    const url = new URL(routePath(route), "http://127.0.0.1:8080");
    assert.deepEqual(parseRoute(url.search, url.hash), route);
  }
});
