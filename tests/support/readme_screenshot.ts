/**
 * Makes docs/console.png, the picture in the README: a real X11 desktop in the real console.
 *
 *   deno run -A tests/support/readme_screenshot.ts [FILE]
 *
 * Needs Xvfb, xterm, xclock, xsetroot and Chromium.
 */
import { toPagePoint, waitForTransport } from "./console_page.ts";
import { startWorld } from "./e2e.ts";
import { ROOT } from "./stack.ts";
import { spawnProcess } from "./process.ts";

const file = Deno.args[0] ?? `${ROOT}docs/console.png`;
await using world = await startWorld({
  size: { width: 1280, height: 800 },
  agent: { hybrid: true },
});
const env = { DISPLAY: world.xvfb.display };
const start = (command: string, ...args: string[]) =>
  spawnProcess({ name: command, command, args, env, cwd: ROOT });
await start("xsetroot", "-solid", "#2b4a6f").exited;
const font = ["-fa", "DejaVu Sans Mono", "-fs", "11"];
await using _editor = start(
  "xterm",
  ...font,
  ...["-geometry", "84x32+24+28", "-bg", "#101820", "-fg", "#d8e0e8", "-T", "listing"],
  ...["-e", "sh", "-c", "ls --color=always -l; echo; head -12 README.md; exec sh"],
);
await using _top = start(
  "xterm",
  ...font,
  ...["-geometry", "56x14+740+470", "-bg", "#fdfdf6", "-fg", "#202020", "-e", "top", "-d", "1"],
);
await using _clock = start("xclock", "-geometry", "220x220+900+60", "-update", "1");
await using opened = await world.open();
const { page } = opened;
await waitForTransport(page, "hybrid");
// The clients have no event of their own; typing and its echo prove that the terminal is up.
const at = await toPagePoint(page, 300, 400);
await page.mouse.click(at.x, at.y);
await page.keyboard.type("echo typed from the browser\n", { delay: 20 });
await page.waitForFunction(() => {
  const fps = document.querySelector<HTMLElement>('[data-testid="hud-fps"]');
  return Number(fps?.dataset.value) > 0;
});
await page.waitForTimeout(3_000);
await page.screenshot({ path: file });
