/// <reference lib="dom" />
/** Whoever ends a session ends it for all sides, with a reason in plain words. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { openConsole, waitFor, waitForTransport } from "../support/console_page.ts";
import { e2eTest, eventsOf, startWorld, type World } from "../support/e2e.ts";
import { poll } from "../support/process.ts";

const API = "/api/v1/remote-desktop";

interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- each test asserts the part it needs
  readonly body: any;
}

/** A REST call with the page's own cookie and origin. */
async function api(page: Page, method: string, path: string, body?: unknown): Promise<Answer> {
  return await page.evaluate(async ({ method, path, body }) => {
    const answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: answer.status, body: await answer.json() };
  }, { method, path: API + path, body });
}

const shows = (page: Page, pattern: RegExp) =>
  waitFor(
    page,
    `words like ${pattern}`,
    (source) => new RegExp(source, "i").test(document.body.innerText),
    pattern.source,
  );

e2eTest("DELETE ends the session for console and agent, and the API tells its story", async () => {
  await using world = await startWorld({ agent: { capture: "synthetic" } });
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "rtp");
  const agents = await api(page, "GET", "/agents");
  assert.equal(agents.status, 200);
  assert.equal(agents.body.success, true);
  const listed = await api(page, "GET", `/sessions?desktopId=${world.agent.desktopId}`);
  const [session] = listed.body.data.sessions ?? listed.body.data;
  const one = await api(page, "GET", `/sessions/${session.sessionId}`);
  const story = JSON.stringify(one.body.data);
  for (const stage of ["requested", "approved", "offered", "answered", "connected"]) {
    assert.match(story, new RegExp(`"stage":"${stage}"`));
  }
  assert.equal((await api(page, "DELETE", `/sessions/${session.sessionId}`)).body.success, true);
  await shows(page, /ended by the server/);
  await agentIsAlone(world);
  // Its course stays, one click away, and at an address of its own.
  await page.getByTestId("ended-record").click();
  const course = page.getByTestId("record").getByRole("img", { name: /^Course of the session/ });
  await course.waitFor();
  await page.reload();
  await course.waitFor();
  assert.ok(page.url().endsWith(`#/record/${session.sessionId}`), page.url());
  await shows(page, /ended by the server/);
  await page.getByTestId("history-back").click();
  await page.getByTestId("history").getByRole("link").first().waitFor();
  const missing = await api(page, "GET", "/sessions/00000000-0000-4000-8000-000000000000");
  assert.equal(missing.status, 404);
  assert.equal(missing.body.error.code, "session-not-found");
});

e2eTest("disconnect at the console ends the viewer at the agent", async () => {
  await using world = await startWorld({ agent: { capture: "synthetic" } });
  await using opened = await world.open();
  await waitForTransport(opened.page, "rtp");
  await opened.page.getByTestId("disconnect").click();
  await opened.page.getByTestId("desktop-list").waitFor();
  await agentIsAlone(world);
  const ended = eventsOf(world.server, "SESSION_ENDED").at(-1);
  assert.match(JSON.stringify(ended), /operator-disconnect/);
});

e2eTest("the owner stops the agent: the console says who ended it", async () => {
  await using world = await startWorld({ agent: { capture: "synthetic" } });
  await using opened = await world.open();
  await waitForTransport(opened.page, "rtp");
  const status = await world.agent.process.stop("SIGINT");
  assert.equal(status.code, 0);
  await shows(opened.page, /owner stopped/);
});

e2eTest("an agent that was not told to allow denies, and the console says why", async () => {
  await using world = await startWorld({
    agent: { capture: "synthetic", flags: ["--policy-consent", "deny"] },
  });
  await using opened = await world.open();
  await shows(opened.page, /policy does not allow/);
});

e2eTest("a page of another version than the server says so and how to go on", async () => {
  await using world = await startWorld({ agent: { capture: "synthetic" } });
  await using opened = await openConsole(world.browser, {
    consoleUrl: await world.server.freshLink(),
    init: () => {
      const send = WebSocket.prototype.send;
      WebSocket.prototype.send = function (data) {
        const isHello = typeof data === "string" && data.includes('"HELLO"');
        send.call(this, isHello ? data.replace(/"version":\d+/, '"version":99') : data);
      };
    },
  });
  const banner = opened.page.getByTestId("link-banner");
  await banner.getByText("another version than the server").waitFor();
  await banner.getByRole("button", { name: "Reload the page" }).waitFor();
});

/** The agent has logged that nobody sees the screen any more. */
async function agentIsAlone(world: World): Promise<void> {
  const { command, args } = {
    command: Deno.execPath(),
    args: ["run", "-A", "agent/main.ts", "status", "--state-dir", world.agent.stateDir],
  };
  await poll("an agent without viewers", 10_000, async () => {
    const { stdout } = await new Deno.Command(command, { args }).output();
    const text = new TextDecoder().decode(stdout);
    return /viewers?:? *(none|0)|no viewers|nobody/i.test(text) ? true : null;
  });
}
