/** Light, dark or as the system says; kept in localStorage. */
import { useState } from "react";
import { readStored, writeStored } from "./stored.ts";

const THEMES = ["system", "light", "dark"] as const;
/** The operator's wish for the page's colours. */
export type Theme = typeof THEMES[number];

const KEY = "farglass.theme";

/** Puts the kept wish into effect; called once before the first paint. */
export function applyStoredTheme(): void {
  apply(readStored(KEY, THEMES, "system"));
}

/** The wish, and the way to its next value: system, light, dark, system… */
export function useTheme(): { readonly theme: Theme; readonly cycle: () => void } {
  const [theme, setTheme] = useState<Theme>(() => readStored(KEY, THEMES, "system"));
  const cycle = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    writeStored(KEY, next);
    apply(next);
    setTheme(next);
  };
  return { theme, cycle };
}

function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
