/** Server, agent and browser on one machine without a network: WebRTC still works, over 127.0.0.1. */
import { launchChromium } from "../support/chromium.ts";
import { openConsole, waitForTransport } from "../support/console_page.ts";
import { e2eTest } from "../support/e2e.ts";
import { createNetns } from "../support/netns.ts";
import { spawnProcess } from "../support/process.ts";
import { ROOT } from "../support/stack.ts";

e2eTest(
  "the demo with its plain settings shows video and patches on a machine that has only loopback",
  async () => {
    await using netns = await createNetns();
    await using demo = spawnProcess({
      name: "demo",
      ...netns.wrap(Deno.execPath(), [
        ...["run", "-A", "tools/demo.ts", "--json", "--port", "0", "--capture", "synthetic"],
      ]),
      cwd: ROOT,
    });
    const [line] = await demo.waitForLine(/^\{"consoleUrl".*\}$/, 60_000);
    const { consoleUrl, desktopId } = JSON.parse(line);
    await using browser = await launchChromium({ netns });
    await using opened = await openConsole(browser, { consoleUrl, connect: desktopId });
    await waitForTransport(opened.page, "hybrid");
  },
);
