/** A switch with a few named positions. */
import { type KeyboardEvent, useRef } from "react";

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

const STEPS: Readonly<Record<string, number>> = {
  ArrowRight: 1,
  ArrowDown: 1,
  ArrowLeft: -1,
  ArrowUp: -1,
};

/** A radio group that looks like one switch (WAI-ARIA pattern "radio group", roving tabindex). */
export function Segmented<T extends string>(props: SegmentedProps<T>) {
  const group = useRef<HTMLDivElement>(null);
  const pick = (option: SegmentOption<T>) => {
    if (option.disabled === true) props.onRefused?.(option.hint);
    else if (option.value !== props.value) props.onChange(option.value);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const radios = [...group.current?.querySelectorAll<HTMLElement>("[role=radio]") ?? []];
    const at = radios.findIndex((radio) => radio === document.activeElement);
    const next = (at + step + radios.length) % radios.length;
    radios[next]?.focus();
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
        </button>
      ))}
    </div>
  );
}
