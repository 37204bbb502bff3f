/** The few controls that everything is made of. */
import type { ReactNode, Ref } from "react";
import { Icon, type IconName } from "./icons.tsx";
import type { Tone } from "./words.ts";

const BUTTON_LOOKS = {
  primary: "bg-accent text-white hover:bg-accent-hover border-transparent",
  secondary: "bg-raised text-ink hover:bg-hover border-line-strong/60",
  danger: "bg-danger text-white hover:bg-danger-hover border-transparent",
  quiet: "bg-transparent text-ink hover:bg-hover border-transparent",
} as const;

/** Properties of `Button`. */
export interface ButtonProps {
  readonly children: ReactNode;
  readonly look?: keyof typeof BUTTON_LOOKS;
  readonly onClick?: () => void;
  readonly disabled?: boolean;
  readonly testId?: string;
  readonly className?: string;
  readonly title?: string;
  readonly type?: "button" | "submit";
  readonly label?: string;
  readonly ref?: Ref<HTMLButtonElement>;
}

/** A button with a text. */
export function Button(props: ButtonProps) {
  return (
    <button
      aria-label={props.label}
      className={`inline-flex h-9 items-center justify-center gap-2 rounded-lg border px-3.5 font-medium whitespace-nowrap transition-colors disabled:cursor-not-allowed disabled:opacity-50 ${
        BUTTON_LOOKS[props.look ?? "secondary"]
      } ${props.className ?? ""}`}
      data-testid={props.testId}
      disabled={props.disabled}
      onClick={props.onClick}
      ref={props.ref}
      title={props.title}
      type={props.type ?? "button"}
    >
      {props.children}
    </button>
  );
}

/** Properties of `ToolButton`. */
export interface ToolButtonProps {
  readonly icon: IconName;
  /** Always spoken; shown beside the icon where `showLabel` says so. */
  readonly label: string;
  readonly showLabel?: "always" | "wide" | "never";
  readonly onClick?: () => void;
  /** A toggle's state; absent for a plain button. */
  readonly pressed?: boolean;
  readonly title?: string;
  readonly testId?: string;
  readonly disabled?: boolean;
  /** A key that does the same, as `aria-keyshortcuts` names it. */
  readonly keyShortcut?: string;
  readonly popover?: { readonly open: boolean; readonly id: string };
  readonly ref?: Ref<HTMLButtonElement>;
}

const LABEL_SHOWN = { always: "inline", wide: "hidden xl:inline", never: "hidden" } as const;

/** A button of the toolbar: an icon, and a word where there is room. */
export function ToolButton(props: ToolButtonProps) {
  const look = props.pressed === true
    ? "bg-accent-soft text-accent-ink border-accent/40"
    : "border-transparent text-ink hover:bg-hover";
  return (
    <button
      aria-controls={props.popover?.id}
      aria-expanded={props.popover?.open}
      aria-keyshortcuts={props.keyShortcut}
      aria-haspopup={props.popover === undefined ? undefined : "menu"}
      aria-label={props.label}
      aria-pressed={props.pressed}
      className={`inline-flex h-9 min-w-9 shrink-0 items-center justify-center gap-1.5 rounded-lg border px-2 font-medium whitespace-nowrap transition-colors disabled:cursor-not-allowed disabled:opacity-45 ${look}`}
      data-testid={props.testId}
      disabled={props.disabled}
      onClick={props.onClick}
      ref={props.ref}
      title={props.title ?? props.label}
      type="button"
    >
      <Icon name={props.icon} />
      <span aria-hidden="true" className={LABEL_SHOWN[props.showLabel ?? "wide"]}>
        {props.label}
      </span>
    </button>
  );
}

const DOT_TONES: Readonly<Record<Tone, string>> = {
  good: "bg-good",
  warn: "bg-warn",
  bad: "bg-bad",
  idle: "bg-line-strong",
  busy: "bg-accent-ink motion-safe:animate-pulse",
};

/** A coloured dot; the words beside it say the same. */
export function Dot({ tone }: { tone: Tone }) {
  return (
    <span
      aria-hidden="true"
      className={`inline-block size-2 shrink-0 rounded-full ${DOT_TONES[tone]}`}
    />
  );
}

/** A spinning ring for waits of unknown length. */
export function Spinner({ size = 28 }: { size?: number }) {
  return (
    <svg
      aria-hidden="true"
      className="shrink-0 animate-turn"
      fill="none"
      height={size}
      viewBox="0 0 28 28"
      width={size}
    >
      <circle cx="14" cy="14" r="11" stroke="currentColor" strokeOpacity="0.2" strokeWidth="3" />
      <path
        d="M25 14A11 11 0 0 0 14 3"
        stroke="currentColor"
        strokeLinecap="round"
        strokeWidth="3"
      />
    </svg>
  );
}
