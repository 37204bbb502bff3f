/** Header and footer around every page but the session. */
import { SOFTWARE_VERSION } from "@farglass/protocol";
import type { ReactNode } from "react";
import { Icon, Logo } from "./icons.tsx";
import { useTheme } from "./theme.ts";

const THEME_ICONS = { system: "system", light: "sun", dark: "moon" } as const;
const THEME_WORDS = { system: "System", light: "Light", dark: "Dark" } as const;

/** Steps through system, light and dark colours. */
export function ThemeButton({ compact = false }: { compact?: boolean }) {
  const { theme, cycle } = useTheme();
  const label = `Colours: ${THEME_WORDS[theme]}`;
  return (
    <button
      aria-label={label}
      className="inline-flex h-9 min-w-9 items-center justify-center gap-2 rounded-lg px-2.5 font-medium text-muted transition-colors hover:bg-hover hover:text-ink"
      data-testid="theme"
      data-value={theme}
      onClick={cycle}
      title={label}
      type="button"
    >
      <Icon name={THEME_ICONS[theme]} />
      {compact
        ? null
        : <span aria-hidden="true" className="hidden sm:inline">{THEME_WORDS[theme]}</span>}
    </button>
  );
}

/** A page with the product's name above and its version below. */
export function Frame({ status, children }: { status?: ReactNode; children: ReactNode }) {
  return (
    <div className="flex min-h-full flex-col">
      <header className="border-b border-line bg-surface">
        <div className="mx-auto flex h-14 max-w-6xl items-center gap-3 px-4 sm:px-6">
          <a
            className="flex items-center gap-2.5 rounded-lg text-base font-semibold tracking-tight"
            href="#"
          >
            <Logo />
            Farglass
          </a>
          <div className="ml-auto flex items-center gap-2">
            {status}
            <ThemeButton />
          </div>
        </div>
      </header>
      <main className="mx-auto w-full max-w-6xl flex-1 px-4 py-6 sm:px-6 sm:py-9">{children}</main>
      <footer className="mx-auto w-full max-w-6xl px-4 pb-6 text-xs text-muted sm:px-6">
        <p className="border-t border-line pt-4">Farglass {SOFTWARE_VERSION}</p>
      </footer>
    </div>
  );
}
