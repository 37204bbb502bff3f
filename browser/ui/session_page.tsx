/** One desktop: the picture, the tools above it and the facts beside it. */
import { useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { ConsoleClient, LinkView, SessionView } from "../core/mod.ts";
import { displayByKey } from "./display_keys.ts";
import { useFullscreen, useMedia } from "./hooks.ts";
import { Hud } from "./hud.tsx";
import { LinkBanner } from "./link_banner.tsx";
import {
  EndedOverlay,
  Notice,
  RecoveringBanner,
  SwitchingOverlay,
  WaitingOverlay,
} from "./overlays.tsx";
import { PictureArea } from "./picture_area.tsx";
import type { Scaling } from "./picture_box.ts";
import { SoftKeyboard, type SoftKeyboardHandle } from "./soft_keyboard.tsx";
import { useSound } from "./sound_button.tsx";
import { readStored, writeStored } from "./stored.ts";
import { RevealHandle, Toolbar } from "./toolbar.tsx";
import { TypeTextDialog } from "./type_text_dialog.tsx";
import { useAutoHide } from "./use_auto_hide.ts";
import { phaseWords, transportWords } from "./words.ts";

/** Properties of `SessionPage`. */
export interface SessionPageProps {
  readonly client: ConsoleClient;
  readonly session: SessionView;
  readonly link: LinkView;
  readonly onLeave: () => void;
  readonly onConnectAgain: () => void;
}

const HUD_KEY = "farglass.hud";
const NOTICE_MS = 6000;

/** Mounted as long as the operator stays with the desktop, through every phase of its session. */
export function SessionPage(props: SessionPageProps) {
  const { client, session } = props;
  const page = usePage();
  const setSound = useSound(client, session, page.root);
  const shown = session.phase.kind === "live" || session.phase.kind === "recovering";
  const { notice } = session.displays;
  const { setNotice } = page;
  useEffect(() => {
    if (notice !== null) setNotice(notice.text);
  }, [notice, setNotice]);
  const controllable = session.inputGranted && !session.viewOnly && shown;
  return (
    <div
      className="relative flex h-full flex-col overflow-hidden bg-canvas"
      data-phase={session.phase.kind}
      data-testid="session"
      onKeyDownCapture={(event) => {
        const display = displayByKey(event, session.displays);
        if (display === null) return;
        event.preventDefault();
        event.stopPropagation();
        client.chooseDisplay(display);
        page.focusStage();
      }}
      ref={page.root}
    >
      <p className="sr-only" role="status">
        {session.desktopName}: {phaseWords(session)}, {transportWords(session.transport)}
      </p>
      <SessionToolbar {...props} controllable={controllable} onSound={setSound} page={page} />
      <LinkBanner inSession link={props.link} onRetry={() => client.retryNow()} />
      <div className="relative flex min-h-0 flex-1 flex-col lg:flex-row">
        {/* First in the tab order, since the stage keeps the Tab key for the desktop. */}
        <Hud
          exportBundle={client.exportBundle}
          floating={page.floating}
          onToggle={page.toggleHud}
          open={page.hudOpen}
          readRecord={client.readRecord}
          session={session}
          underToolbar={page.toolsShown}
        />
        <PictureArea
          client={client}
          controllable={controllable}
          onRelease={page.releaseKeys}
          panning={page.panning}
          scaling={page.scaling}
          session={session}
          stageRef={page.stage}
        >
          <WaitingOverlay onLeave={props.onLeave} phase={session.phase} />
          <RecoveringBanner phase={session.phase} />
          <SwitchingOverlay displays={session.displays} />
          <EndedOverlay {...props} />
          <Notice text={page.notice} />
        </PictureArea>
      </div>
      <SoftKeyboard client={client} ref={page.keyboard} stageRef={page.stage} />
      <TypeTextDialog
        onClose={() => page.setTyping(false)}
        onType={(text) => {
          client.typeText(text);
          page.focusStage();
        }}
        open={page.typing}
      />
    </div>
  );
}

/** What the page itself remembers, and its elements. */
function usePage() {
  const root = useRef<HTMLDivElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const toolbar = useRef<HTMLElement>(null);
  const keyboard = useRef<SoftKeyboardHandle>(null);
  const [scaling, setScaling] = useState<Scaling>("fit");
  const [panning, setPanning] = useState(false);
  const [typing, setTyping] = useState(false);
  const [notice, setNotice] = useNotice();
  const [hudOpen, setHudOpen] = useHudOpen();
  const fullscreen = useFullscreen(root);
  const compact = useMedia("(max-height: 480px)");
  const floating = fullscreen.active || compact;
  const autoHide = useAutoHide(floating, toolbar);
  return {
    ...{ root, stage, toolbar, keyboard, scaling, panning, typing, notice, hudOpen },
    ...{ fullscreen, floating, setTyping, setNotice },
    toolsShown: autoHide.shown,
    focusStage: () => stage.current?.focus({ preventScroll: true }),
    releaseKeys: () => {
      flushSync(autoHide.show); // a hidden toolbar cannot take the focus
      toolbar.current?.querySelector<HTMLElement>("button")?.focus();
    },
    toggleHud: () => setHudOpen(!hudOpen),
    togglePanning: () => setPanning(!panning),
    scale: (next: Scaling) => {
      setScaling(next);
      setPanning(false);
    },
  };
}

type SessionToolbarProps = SessionPageProps & {
  readonly page: ReturnType<typeof usePage>;
  readonly controllable: boolean;
  readonly onSound: (on: boolean) => void;
};

function SessionToolbar(props: SessionToolbarProps) {
  const { client, session, page, controllable, onLeave } = props;
  return (
    <>
      <Toolbar
        controllable={controllable}
        floating={page.floating}
        fullscreen={page.fullscreen}
        hudOpen={page.hudOpen}
        onChoice={(choice) => client.choose(choice)}
        onDisplay={(display) => {
          client.chooseDisplay(display);
          page.focusStage();
        }}
        onHud={page.toggleHud}
        onKeyboard={() => page.keyboard.current?.open()}
        onLeave={onLeave}
        onPanning={page.togglePanning}
        onPreset={(preset) => client.choosePreset(preset)}
        onRefused={page.setNotice}
        onScaling={page.scale}
        onSound={props.onSound}
        onSpecial={(keys) => {
          client.sendSpecial(keys);
          page.focusStage();
        }}
        onTypeText={() => page.setTyping(true)}
        onViewOnly={(viewOnly) => client.setViewOnly(viewOnly)}
        panning={page.panning}
        ref={page.toolbar}
        scaling={page.scaling}
        session={session}
        shown={page.toolsShown}
      />
      {page.floating && !page.toolsShown ? <RevealHandle onClick={page.releaseKeys} /> : null}
    </>
  );
}

/** A sentence that goes away by itself. */
function useNotice(): [string | null, (text: string) => void] {
  const [notice, setNotice] = useState<string | null>(null);
  useEffect(() => {
    if (notice === null) return;
    const timer = setTimeout(() => setNotice(null), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return [notice, setNotice];
}

/** Open beside the picture where there is room, closed on a phone, then as last left. */
function useHudOpen(): [boolean, (open: boolean) => void] {
  const [open, setOpen] = useState(() => {
    const byRoom = matchMedia("(min-width: 64rem)").matches ? "open" : "closed";
    return readStored(HUD_KEY, ["open", "closed"], byRoom) === "open";
  });
  const set = (next: boolean) => {
    writeStored(HUD_KEY, next ? "open" : "closed");
    setOpen(next);
  };
  return [open, set];
}
