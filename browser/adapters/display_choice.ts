/** Which display of which desktop this browser showed last; losing it is harmless. */
const KEY = "farglass.displays";
/** The desktops chosen last. */
const MAX_DESKTOPS = 32;

function read(): [string, string][] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    if (!Array.isArray(stored)) return [];
    return stored.filter((one): one is [string, string] =>
      Array.isArray(one) && one.length === 2 && one.every((text) => typeof text === "string")
    );
  } catch {
    return []; // storage is blocked, or somebody else wrote there
  }
}

export const readDisplay = (desktopId: string): string | null =>
  read().find(([id]) => id === desktopId)?.[1] ?? null;

export function writeDisplay(desktopId: string, display: string): void {
  const others = read().filter(([id]) => id !== desktopId);
  try {
    const kept = [[desktopId, display], ...others].slice(0, MAX_DESKTOPS);
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Storage is blocked or full: the choice lasts until the page is closed.
  }
}
