/** The session's tools. On a phone the second row scrolls sideways. */
import type { TransportChoice, VideoPreset } from "@farglass/protocol";
import { TRANSPORT_CHOICES } from "@farglass/protocol";
import type { Ref } from "react";
import type { SessionView, SpecialKeys } from "../core/mod.ts";
import { Button, Dot, ToolButton } from "./controls.tsx";
import { ThemeButton } from "./frame.tsx";
import { DisplayMenu } from "./display_menu.tsx";
import { Icon } from "./icons.tsx";
import type { Scaling } from "./picture_box.ts";
import { Segmented } from "./segmented.tsx";
import { SoundButton } from "./sound_button.tsx";
import { ToolMenu } from "./tool_menu.tsx";
import { choiceHint, choiceWords, phaseTone, phaseWords, PRESET_WORDS } from "./words.ts";

/** The way back from the desktop's keyboard to the console's own controls. */
export const RELEASE_CHORD = "Ctrl + Alt + Shift";

const VIEW_ONLY_POLICY = "The desktop may only be viewed";

const SPECIALS: readonly (readonly [SpecialKeys, string, string])[] = [
  ["ctrl-alt-del", "Ctrl + Alt + Del", "Lock screen, task manager"],
  ["super", "Super", "Start menu, overview"],
  ["alt-tab", "Alt + Tab", "Next window"],
  ["escape", "Esc", "Also leaves full screen here"],
  ["print-screen", "Print Screen", "Picture of the screen"],
];

const SCALINGS: readonly { value: Scaling; label: string; hint: string }[] = [
  { value: "fit", label: "Fit", hint: "As large as the window allows" },
  { value: "one-to-one", label: "1:1", hint: "One remote pixel on one pixel here" },
];

/** Properties of `Toolbar`. */
export interface ToolbarProps {
  readonly session: SessionView;
  readonly controllable: boolean;
  readonly floating: boolean;
  readonly shown: boolean;
  readonly scaling: Scaling;
  readonly panning: boolean;
  readonly hudOpen: boolean;
  readonly fullscreen: {
    readonly active: boolean;
    readonly available: boolean;
    readonly toggle: () => void;
  };
  readonly onLeave: () => void;
  readonly onChoice: (choice: TransportChoice) => void;
  readonly onPreset: (preset: VideoPreset) => void;
  readonly onDisplay: (display: string) => void;
  readonly onRefused: (hint: string) => void;
  readonly onScaling: (scaling: Scaling) => void;
  readonly onPanning: () => void;
  readonly onViewOnly: (viewOnly: boolean) => void;
  readonly onSound: (on: boolean) => void;
  readonly onSpecial: (keys: SpecialKeys) => void;
  readonly onTypeText: () => void;
  readonly onKeyboard: () => void;
  readonly onHud: () => void;
  readonly ref: Ref<HTMLElement>;
}

/** Name and state at the left, the tools, and the way out at the right. */
export function Toolbar(props: ToolbarProps) {
  const place = props.floating
    ? `absolute inset-x-0 top-0 z-20 shadow-float transition-transform duration-200 ${
      props.shown ? "" : "invisible -translate-y-full"
    }`
    : "relative";
  return (
    <header
      aria-label="Session tools"
      className={`grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-3 border-b border-line bg-surface md:flex md:h-13 md:px-3 ${place}`}
      data-testid="toolbar"
      ref={props.ref}
      role="toolbar"
    >
      <div className="flex h-12 min-w-0 items-center gap-1 pl-1.5 md:h-auto md:pl-0">
        <ToolButton
          icon="back"
          label="Back to the list"
          onClick={props.onLeave}
          showLabel="never"
        />
        <DesktopName session={props.session} />
      </div>
      <div className="row-start-2 col-span-2 flex min-w-0 scroll-x items-center gap-1.5 border-t border-line px-2 py-1.5 md:ml-auto md:border-0 md:px-1 md:py-2">
        <Tools {...props} />
      </div>
      <div className="pr-2 md:pr-0">
        <Button
          className="h-9 px-2.5 md:px-3.5"
          label="Disconnect"
          look="danger"
          onClick={props.onLeave}
          testId="disconnect"
        >
          <Icon name="power" size={16} />
          <span aria-hidden="true" className="hidden min-[26rem]:inline md:hidden lg:inline">
            Disconnect
          </span>
        </Button>
      </div>
    </header>
  );
}

function DesktopName({ session }: { session: SessionView }) {
  return (
    <div className="min-w-0 leading-tight">
      <h1 className="truncate font-semibold" title={session.desktopName}>{session.desktopName}</h1>
      <p className="flex items-center gap-1.5 text-xs text-muted" data-testid="phase">
        <Dot tone={phaseTone(session)} />
        <span className="truncate">{phaseWords(session)}</span>
      </p>
    </div>
  );
}

function Tools(props: ToolbarProps) {
  const { session } = props;
  return (
    <>
      <Segmented
        label="How the picture comes"
        onChange={props.onChoice}
        onRefused={props.onRefused}
        options={TRANSPORT_CHOICES.map((choice) => ({
          value: choice,
          label: choiceWords(choice),
          hint: choiceHint(choice, session),
          disabled: !session.choices.includes(choice),
        }))}
        testId="transport-switch"
        value={session.choice}
      />
      {session.presets.length === 0 ? null : (
        <ToolMenu
          disabled={session.phase.kind !== "live"}
          icon="sliders"
          items={session.presets.map((preset) => ({
            id: `preset-${preset}`,
            label: PRESET_WORDS[preset][0],
            hint: PRESET_WORDS[preset][1],
            checked: preset === session.preset,
            onPick: () => props.onPreset(preset),
          }))}
          label="Video quality"
          showLabel="never"
          testId="video-preset"
          title={`What the video is made for: ${PRESET_WORDS[session.preset ?? "balanced"][0]}`}
        />
      )}
      <DisplayMenu
        disabled={session.phase.kind !== "live"}
        displays={session.displays}
        onPick={props.onDisplay}
      />
      <Segmented
        label="Size of the picture"
        onChange={props.onScaling}
        options={SCALINGS}
        testId="scaling"
        value={props.scaling}
      />
      {props.scaling === "one-to-one"
        ? (
          <ToolButton
            icon="hand"
            label="Move the view"
            onClick={props.onPanning}
            pressed={props.panning}
            showLabel="never"
            testId="pan"
            title="Drag or swipe moves the view instead of the remote pointer"
          />
        )
        : null}
      <Divider />
      <InputTools {...props} />
      <Divider />
      <SoundButton onSound={props.onSound} session={session} />
      <WindowTools {...props} />
    </>
  );
}

function WindowTools(props: ToolbarProps) {
  return (
    <>
      <ToolButton
        disabled={!props.fullscreen.available}
        icon="fullscreen"
        label="Full screen"
        onClick={props.fullscreen.toggle}
        pressed={props.fullscreen.active}
        showLabel="never"
        testId="fullscreen"
      />
      <ToolButton
        icon="gauge"
        label="Connection details"
        onClick={props.onHud}
        pressed={props.hudOpen}
        showLabel="never"
        testId="details-toggle"
      />
      <ThemeButton compact />
    </>
  );
}

function InputTools(props: ToolbarProps) {
  const { session, controllable } = props;
  const whyNot = controllable ? undefined : inputRefusal(session);
  return (
    <>
      <ToolButton
        disabled={!session.inputGranted}
        icon="eye"
        label="View only"
        onClick={() => props.onViewOnly(!session.viewOnly)}
        pressed={session.viewOnly || (!session.inputGranted && session.phase.kind === "live")}
        testId="view-only"
        title={session.inputGranted || session.phase.kind !== "live"
          ? "View only: nothing you do reaches the desktop"
          : VIEW_ONLY_POLICY}
      />
      <ToolMenu
        disabled={!controllable}
        footnote={`${RELEASE_CHORD} moves the keyboard from the desktop back to these tools.`}
        icon="keys"
        items={SPECIALS.map(([keys, label, hint]) => ({
          id: `special-${keys}`,
          label,
          hint,
          onPick: () => props.onSpecial(keys),
        }))}
        label="Keys"
        testId="special-keys"
        title={whyNot ?? "Keys that the browser keeps for itself"}
      />
      <ToolButton
        disabled={!controllable}
        icon="text"
        label="Type text"
        onClick={props.onTypeText}
        testId="type-text"
        title={whyNot ?? "Type a text on the desktop"}
      />
      <span className="hidden pointer-coarse:contents">
        <ToolButton
          disabled={!controllable}
          icon="keyboard"
          label="On-screen keyboard"
          onClick={props.onKeyboard}
          showLabel="never"
          testId="soft-keyboard"
          title={whyNot ?? "On-screen keyboard"}
        />
      </span>
    </>
  );
}

function inputRefusal(session: SessionView): string {
  if (session.phase.kind !== "live") return "Not while there is no live picture";
  return session.inputGranted ? "Switch “View only” off first" : VIEW_ONLY_POLICY;
}

const Divider = () => <span aria-hidden="true" className="mx-0.5 h-5 w-px shrink-0 bg-line" />;

/** What remains of a hidden toolbar: a small tab at the top edge. */
export function RevealHandle({ onClick }: { onClick: () => void }) {
  return (
    <button
      aria-label="Show the tools"
      className="absolute top-0 left-1/2 z-20 inline-flex h-6 w-16 -translate-x-1/2 items-center justify-center rounded-b-xl border border-t-0 border-line bg-surface/90 text-muted shadow-float hover:text-ink"
      data-testid="reveal-tools"
      onClick={onClick}
      type="button"
    >
      <Icon name="chevron" size={16} />
    </button>
  );
}
