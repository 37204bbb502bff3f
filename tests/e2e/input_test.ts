/** What the operator does reaches an X client, and nothing stays pressed. */
import assert from "node:assert/strict";
import { toPagePoint, waitForTransport } from "../support/console_page.ts";
import { chooseTransport, e2eTest, startWorld } from "../support/e2e.ts";
import type { SpawnedProcess } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";

const CARRIERS = [
  { transport: "hybrid", server: {} },
  { transport: "diff-ws", server: { config: { webrtc: { enabled: false } } } },
] as const;

for (const { transport, server } of CARRIERS) {
  e2eTest(`input with ${transport}: clicks, wheel, text and layout-independent keys`, async (t) => {
    await using world = await startWorld({ server, agent: { hybrid: true } });
    await using client = await startPainter("window", { display: world.xvfb.display });
    await using opened = await world.open();
    const { page } = opened;
    await waitForTransport(page, transport);
    const at = await toPagePoint(page, 140, 120);

    await t.step("left, middle and right button at the right place", async () => {
      for (const [name, button] of [["left", 1], ["middle", 2], ["right", 3]] as const) {
        const from = client.mark();
        await page.mouse.click(at.x, at.y, { button: name });
        const down = await event(client, from, `"button","down":true,"button":${button}`);
        // The window stands at 40,40; scaling may cost a pixel.
        assert.ok(Math.abs(Number(down.x) - 100) <= 1, JSON.stringify(down));
        assert.ok(Math.abs(Number(down.y) - 80) <= 1, JSON.stringify(down));
        await event(client, from, `"button","down":false,"button":${button}`);
      }
    });
    await t.step("wheel in both axes", async () => {
      for (const [dx, dy, button] of [[0, 120, 5], [0, -120, 4], [120, 0, 7], [-120, 0, 6]]) {
        const from = client.mark();
        await page.mouse.wheel(dx, dy);
        await event(client, from, `"button","down":true,"button":${button}`);
      }
    });
    await t.step("typed text, capitals and signs", async () => {
      for (const character of "Farglass 2: {ok}!") {
        const from = client.mark();
        await page.keyboard.press(character === " " ? "Space" : character);
        const key = await typed(client, from);
        assert.equal(key.text, character);
      }
    });
    await t.step("characters that the server's keymap lacks", async () => {
      for (const character of ["ü", "ж", "あ", "€"]) {
        const from = client.mark();
        await page.keyboard.insertText(character);
        assert.equal((await typed(client, from)).text, character);
      }
    });
    await t.step("a modifier is released when the focus is lost", async () => {
      const from = client.mark();
      await page.keyboard.down("Control");
      await event(client, from, `"key","down":true`);
      await page.getByTestId("disconnect").focus();
      await event(client, from, `"key","down":false`);
      await page.keyboard.up("Control");
    });
    await t.step("nothing stays pressed after a disconnect", async () => {
      await page.mouse.click(at.x, at.y);
      const from = client.mark();
      await page.keyboard.down("a");
      await event(client, from, `"key","down":true`);
      await opened.context.close();
      await event(client, from, `"key","down":false`);
    });
  });
}

e2eTest(
  "view only: neither the operator's switch nor the owner's policy lets input through",
  async (t) => {
    await using world = await startWorld();
    await using client = await startPainter("window", { display: world.xvfb.display });
    await using opened = await world.open();
    const { page } = opened;
    await waitForTransport(page, "rtp");
    const at = await toPagePoint(page, 140, 120);
    const buttons = () => client.stdoutLines.filter((line) => line.includes('"button"')).length;
    await t.step("the switch", async () => {
      await page.mouse.click(at.x, at.y);
      await client.waitForLine(/"button","down":false/);
      const before = buttons();
      await page.getByTestId("view-only").click();
      await page.mouse.click(at.x, at.y);
      await page.getByTestId("view-only").click();
      await page.mouse.click(at.x, at.y, { button: "right" });
      await client.waitForLine(/"button","down":false,"button":3/);
      assert.equal(buttons(), before + 2, "only the right button came through");
    });
  },
);

e2eTest("policy: view only, diff only, video only", async (t) => {
  await t.step("diff only never shows video", async () => {
    await using world = await startWorld({ agent: { flags: ["--diff-only"] } });
    await using opened = await world.open();
    await waitForTransport(opened.page, "diff-dc");
    assert.equal(await optionDisabled(opened.page, "video"), true);
  });
  await t.step("video only offers no diff", async () => {
    await using world = await startWorld({ agent: { flags: ["--video-only"] } });
    await using opened = await world.open();
    await waitForTransport(opened.page, "rtp");
    assert.equal(await optionDisabled(opened.page, "diff"), true);
  });
  await t.step("view only drops input at the agent", async () => {
    await using world = await startWorld({ agent: { flags: ["--view-only"] } });
    await using client = await startPainter("window", { display: world.xvfb.display });
    await using opened = await world.open();
    const { page } = opened;
    await waitForTransport(page, "rtp");
    const at = await toPagePoint(page, 140, 120);
    await page.mouse.click(at.x, at.y);
    await page.keyboard.press("x");
    // A round trip on the reliable path behind the input: the switch is answered by the agent.
    await chooseTransport(page, "diff");
    await waitForTransport(page, "diff-dc");
    assert.deepEqual(client.stdoutLines.filter((line) => /"(button|key|motion)"/.test(line)), []);
  });
});

// deno-lint-ignore no-explicit-any -- the page type lives in playwright's own declarations
async function optionDisabled(page: any, choice: string): Promise<boolean> {
  const option = page.locator(`[data-testid="transport-switch"] [data-value="${choice}"]`);
  return await option.isDisabled() || await option.getAttribute("aria-disabled") === "true";
}

async function event(
  client: SpawnedProcess,
  from: number,
  part: string,
): Promise<Record<string, unknown>> {
  const pattern = new RegExp(`^.*"event":${part.replaceAll(/[{}[\]]/g, "\\$&")}.*$`);
  const [line] = await client.waitForLine(pattern, 10_000, from);
  return JSON.parse(line);
}

/** The next pressed key that makes a character. */
async function typed(client: SpawnedProcess, from: number): Promise<{ readonly text: string }> {
  const [line] = await client.waitForLine(
    /^.*"event":"key","down":true,.*"text":"(?!").*$/,
    10_000,
    from,
  );
  return JSON.parse(line);
}
