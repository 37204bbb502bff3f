/** The few controls that everything is made of. */
import {
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
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

/** One option of a `Segmented` switch. */
export interface SegmentOption<T extends string> {
  readonly value: T;
  readonly label: string;
  /** What it is for, or why it cannot be chosen. */
  readonly hint: string;
  readonly disabled?: boolean;
}

/** Properties of `Segmented`. */
export interface SegmentedProps<T extends string> {
  readonly label: string;
  readonly options: readonly SegmentOption<T>[];
  readonly value: T;
  readonly onChange: (value: T) => void;
  /** Called instead of `onChange` when the option is disabled. */
  readonly onRefused?: (hint: string) => void;
  readonly testId?: string;
}

/** A radio group that looks like one switch (WAI-ARIA pattern "radio group", roving tabindex). */
export function Segmented<T extends string>(props: SegmentedProps<T>) {
  const group = useRef<HTMLDivElement>(null);
  const hintId = useId();
  const pick = (option: SegmentOption<T>) => {
    if (option.disabled === true) props.onRefused?.(option.hint);
    else if (option.value !== props.value) props.onChange(option.value);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" || event.key === "ArrowDown"
      ? 1
      : event.key === "ArrowLeft" || event.key === "ArrowUp"
      ? -1
      : 0;
    if (step === 0) return;
    event.preventDefault();
    const buttons = [...group.current?.querySelectorAll<HTMLElement>("[role=radio]") ?? []];
    const at = buttons.findIndex((button) => button === document.activeElement);
    const next = (at + step + buttons.length) % buttons.length;
    buttons[next]?.focus();
    if (props.options[next]?.disabled !== true) pick(props.options[next]);
  };
  const tabbable = props.options.find((option) => option.value === props.value) ?? props.options[0];
  return (
    <div
      aria-label={props.label}
      className="inline-flex h-9 shrink-0 items-stretch rounded-lg border border-line bg-sunken p-0.5"
      data-testid={props.testId}
      data-value={props.value}
      onKeyDown={onKeyDown}
      ref={group}
      role="radiogroup"
    >
      {props.options.map((option) => (
        <button
          aria-checked={option.value === props.value}
          aria-describedby={`${hintId}${option.value}`}
          aria-disabled={option.disabled === true}
          className="rounded-md px-2.5 font-medium whitespace-nowrap text-muted transition-colors hover:text-ink aria-checked:bg-raised aria-checked:text-ink aria-checked:shadow-card aria-disabled:cursor-not-allowed aria-disabled:text-muted aria-disabled:opacity-50"
          data-value={option.value}
          key={option.value}
          onClick={() => pick(option)}
          role="radio"
          tabIndex={option === tabbable ? 0 : -1}
          title={option.hint}
          type="button"
        >
          {option.label}
          <span className="sr-only" id={`${hintId}${option.value}`}>{option.hint}</span>
        </button>
      ))}
    </div>
  );
}

/** An entry of a `ToolMenu`. */
export interface MenuItem {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly onPick: () => void;
}

/** Properties of `ToolMenu`. */
export interface ToolMenuProps {
  readonly icon: IconName;
  readonly label: string;
  readonly title: string;
  readonly items: readonly MenuItem[];
  readonly footnote?: string;
  readonly disabled?: boolean;
  readonly testId?: string;
}

/** A button with a menu in the top layer, so that a scrolling toolbar cannot cut it off. */
export function ToolMenu(props: ToolMenuProps) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  useLayoutEffect(() => {
    const panel = menu.current;
    const anchor = button.current?.getBoundingClientRect();
    if (!open || panel === null || anchor === undefined) return;
    const left = Math.min(anchor.left, innerWidth - panel.offsetWidth - 8);
    panel.style.left = `${Math.max(8, left)}px`;
    panel.style.top = `${anchor.bottom + 6}px`;
    panel.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }, [open]);
  const onKeyDown = (event: KeyboardEvent) => {
    const items = [...menu.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? []];
    const at = items.findIndex((item) => item === document.activeElement);
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items.at(to % items.length)?.focus();
  };
  return (
    <>
      <ToolButton
        disabled={props.disabled}
        icon={props.icon}
        label={props.label}
        onClick={() => menu.current?.togglePopover()}
        popover={{ open, id }}
        ref={button}
        testId={props.testId}
        title={props.title}
      />
      <div
        aria-label={props.title}
        className="fixed m-0 w-68 rounded-xl border border-line bg-raised p-1.5 text-ink shadow-float"
        id={id}
        onKeyDown={onKeyDown}
        onToggle={(event) => setOpen(event.newState === "open")}
        popover="auto"
        ref={menu}
        role="menu"
      >
        {props.items.map((item) => (
          <button
            className="flex w-full flex-col rounded-lg px-3 py-2 text-left hover:bg-hover focus-visible:bg-hover"
            data-testid={item.id}
            key={item.id}
            onClick={() => {
              menu.current?.hidePopover();
              item.onPick();
            }}
            role="menuitem"
            type="button"
          >
            <span className="font-medium">{item.label}</span>
            <span className="text-xs text-muted">{item.hint}</span>
          </button>
        ))}
        {props.footnote === undefined
          ? null
          : (
            <p className="mt-1 border-t border-line px-3 pt-2 pb-1 text-xs text-muted">
              {props.footnote}
            </p>
          )}
      </div>
    </>
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
