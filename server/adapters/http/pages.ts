/** Pages for people when there is no console to show: plain HTML, styled by a served file. */
const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => `&#${c.codePointAt(0)};`);

/** Path of the pages' style sheet; the Content-Security-Policy forbids inline style. */
export const PAGE_CSS_PATH = "/farglass-page.css";

export const PAGE_CSS = `:root { color-scheme: light dark; }
body {
  margin: 0; min-height: 100vh; display: grid; place-items: center;
  font: 1.0625rem/1.6 system-ui, sans-serif; background: #f4f5f7; color: #17202b;
}
main { max-width: 34rem; margin: 1.5rem; padding: 2rem; border-radius: 0.75rem; background: #fff;
  box-shadow: 0 1px 3px #0002, 0 8px 24px #0001; }
h1 { margin: 0 0 0.75rem; font-size: 1.4rem; line-height: 1.3; }
p { margin: 0.5rem 0; }
code { padding: 0.1em 0.35em; border-radius: 0.3em; background: #eceef1; font-size: 0.95em; }
small { color: #5b6673; }
@media (prefers-color-scheme: dark) {
  body { background: #10151c; color: #e6eaf0; }
  main { background: #19212b; box-shadow: none; }
  code { background: #2a3542; }
  small { color: #94a1b2; }
}
`;

/** A page with a title, sentences and optionally a command to run. */
export function page(
  title: string,
  options: { readonly text: readonly string[]; readonly command?: string; readonly code?: string },
): string {
  const paragraphs = options.text.map((t) => `<p>${escapeHtml(t)}</p>`).join("\n");
  const command = options.command === undefined
    ? ""
    : `<p><code>${escapeHtml(options.command)}</code></p>`;
  const code = options.code === undefined
    ? ""
    : `<p><small>${escapeHtml(options.code)}</small></p>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} – Farglass</title>
<link rel="stylesheet" href="${PAGE_CSS_PATH}">
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${paragraphs}
${command}
${code}
</main>
</body>
</html>
`;
}
