import assert from "node:assert/strict";
import { type DemoOptions, parseDemo } from "../../tools/demo_options.ts";

const DEFAULTS: DemoOptions = { port: 8080, capture: "synthetic", json: false, verbose: false };

const GOOD: readonly { args: string[]; display?: string; options: Partial<DemoOptions> }[] = [
  { args: [], options: {} },
  { args: [], display: "", options: {} },
  { args: [], display: ":0", options: { capture: "x11" } },
  { args: ["--port", "0"], options: { port: 0 } },
  { args: ["--", "--port", "0"], options: { port: 0 } },
  { args: ["--port=65535", "--json"], options: { port: 65_535, json: true } },
  { args: ["--capture", "synthetic"], display: ":0", options: {} },
  {
    args: ["--capture=x11", "--verbose"],
    display: ":9",
    options: { capture: "x11", verbose: true },
  },
];

for (const { args, display, options } of GOOD) {
  Deno.test(`parseDemo [${args.join(" ")}] with DISPLAY=${display ?? "unset"}`, () => {
    assert.deepEqual(parseDemo(args, display), {
      kind: "run",
      options: { ...DEFAULTS, ...options },
    });
  });
}

const BAD: readonly { args: string[]; problems: string[] }[] = [
  {
    args: ["--port", "http"],
    problems: ['--port is "http"; allowed is a whole number from 0 to 65535'],
  },
  {
    args: ["--port=65536"],
    problems: ['--port is "65536"; allowed is a whole number from 0 to 65535'],
  },
  {
    args: ["--port", "--json"],
    problems: ["--port is without a value; allowed is a whole number from 0 to 65535"],
  },
  {
    args: ["--port", "-1"],
    problems: ['--port is "-1"; allowed is a whole number from 0 to 65535'],
  },
  {
    args: ["--capture", "x11"],
    problems: ["--capture is x11, but DISPLAY is not set; set it, or use --capture synthetic"],
  },
  {
    args: ["--prot", "1", "--capture", "wayland", "--port", "x"],
    problems: [
      '"--prot" is no option; known are --port, --capture, --json, --verbose, --help',
      '"1" is no option; known are --port, --capture, --json, --verbose, --help',
      '--capture is "wayland"; allowed is x11 or synthetic',
      '--port is "x"; allowed is a whole number from 0 to 65535',
    ],
  },
];

for (const { args, problems } of BAD) {
  Deno.test(`parseDemo [${args.join(" ")}] names every problem`, () => {
    assert.deepEqual(parseDemo(args, undefined), { kind: "wrong", problems });
  });
}

Deno.test("parseDemo --help wins over everything", () => {
  assert.deepEqual(parseDemo(["--port", "x", "--help"], undefined), { kind: "help" });
});
