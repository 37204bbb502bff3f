/** Hands a text to the browser's downloads. */

/** Saves `text` under `name`, as a click on a download link would. */
export function saveText(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The download has its own hold on the data once it has begun.
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_MS);
}
const REVOKE_MS = 10_000;
