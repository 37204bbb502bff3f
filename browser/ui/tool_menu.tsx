/** A menu of the toolbar. */
import {
  type KeyboardEvent,
  type ReactNode,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { ToolButton } from "./controls.tsx";
import type { IconName } from "./icons.tsx";

const MARGIN_PX = 8;

/** An entry of a `ToolMenu`. */
export interface MenuItem {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  /** One of several choices, and whether it is the one in force. */
  readonly checked?: boolean;
  readonly onPick: () => void;
}

/** Properties of `ToolMenu`. */
export interface ToolMenuProps {
  readonly icon: IconName;
  readonly label: string;
  readonly title: string;
  readonly items: readonly MenuItem[];
  /** Above the entries. */
  readonly picture?: ReactNode;
  readonly footnote?: string;
  readonly disabled?: boolean;
  readonly testId?: string;
  readonly showLabel?: "never";
}

/** A button with a menu in the top layer, so that a scrolling toolbar cannot cut it off. */
export function ToolMenu(props: ToolMenuProps) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  useLayoutEffect(() => {
    if (open) place(menu.current, button.current);
  }, [open]);
  return (
    <>
      <ToolButton
        disabled={props.disabled}
        icon={props.icon}
        label={props.label}
        onClick={() => menu.current?.togglePopover()}
        popover={{ open, id }}
        ref={button}
        showLabel={props.showLabel}
        testId={props.testId}
        title={props.title}
      />
      <div
        aria-label={props.title}
        className="fixed m-0 w-68 rounded-xl border border-line bg-raised p-1.5 text-ink shadow-float"
        id={id}
        onKeyDown={(event) => moveFocus(event, menu.current)}
        onToggle={(event) => setOpen(event.newState === "open")}
        popover="auto"
        ref={menu}
        role="menu"
      >
        {props.picture}
        {props.items.map((item) => (
          <Entry
            item={item}
            key={item.id}
            onPick={() => {
              menu.current?.hidePopover();
              item.onPick();
            }}
          />
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

function Entry({ item, onPick }: { item: MenuItem; onPick: () => void }) {
  return (
    <button
      aria-checked={item.checked}
      className="flex w-full flex-col rounded-lg px-3 py-2 text-left hover:bg-hover focus-visible:bg-hover aria-checked:bg-hover"
      data-testid={item.id}
      onClick={onPick}
      role={item.checked === undefined ? "menuitem" : "menuitemradio"}
      type="button"
    >
      <span className="flex gap-2 font-medium">
        {item.label}
        {item.checked === true ? <span aria-hidden="true">✓</span> : null}
      </span>
      <span className="text-xs text-muted">{item.hint}</span>
    </button>
  );
}

const entriesOf = (menu: HTMLElement | null): HTMLElement[] => [
  ...menu?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [],
];

/** Below its button, inside the window, with the first entry focused. */
function place(menu: HTMLElement | null, button: HTMLElement | null): void {
  if (menu === null || button === null) return;
  const anchor = button.getBoundingClientRect();
  const left = Math.min(anchor.left, innerWidth - menu.offsetWidth - MARGIN_PX);
  menu.style.left = `${Math.max(MARGIN_PX, left)}px`;
  menu.style.top = `${anchor.bottom + MARGIN_PX}px`;
  const entries = entriesOf(menu);
  (entries.find((entry) => entry.ariaChecked === "true") ?? entries[0])?.focus();
}

/** Arrow keys as the WAI-ARIA pattern "menu" asks. */
function moveFocus(event: KeyboardEvent, menu: HTMLElement | null): void {
  const entries = entriesOf(menu);
  const at = entries.findIndex((entry) => entry === document.activeElement);
  const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
  const to = moves[event.key];
  if (to === undefined) return;
  event.preventDefault();
  entries.at(to % entries.length)?.focus();
}
