/** The part of `deno test --junit-path` reports that the closing lines need. */

export interface TestResult {
  readonly file: string;
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** Why it failed, with its stack; empty unless it failed. */
  readonly failure: string;
}

/** Reads the test cases of a report. Steps of a test (`t.step`) count as tests of their own. */
export function parseJunit(xml: string): TestResult[] {
  const results: TestResult[] = [];
  for (
    const [, attributes, rest] of xml.matchAll(/<testcase\s([^>]*?)(\/>|>[\s\S]*?<\/testcase>)/g)
  ) {
    const get = (name: string) =>
      unescape(new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
    const failure = /<(failure|error)[\s>][^>]*>([\s\S]*?)<\/\1>/.exec(rest);
    results.push({
      file: get("classname").replace(/^\.\//, ""),
      name: get("name"),
      outcome: /<(?:failure|error)[\s>]/.test(rest)
        ? "failed"
        : /<skipped[\s/>]/.test(rest)
        ? "skipped"
        : "passed",
      ms: Number(get("time")) * 1000,
      failure: unescape(failure?.[2] ?? "").trim(),
    });
  }
  return results;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
};
const unescape = (text: string): string =>
  text.replace(/&(?:lt|gt|quot|apos|amp);/g, (entity) => ENTITIES[entity]);
