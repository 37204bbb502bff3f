/** One desktop: the picture, the tools above it and the facts beside it. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { ConsoleClient, LinkView, SessionView } from "../core/mod.ts";
import { useFullscreen, useMedia } from "./hooks.ts";
import { Hud } from "./hud.tsx";
import { LinkBanner } from "./link_banner.tsx";
import { EndedOverlay, Notice, RecoveringBanner, WaitingOverlay } from "./overlays.tsx";
import { PictureArea } from "./picture_area.tsx";
import type { Scaling } from "./picture_box.ts";
import { SoftKeyboard, type SoftKeyboardHandle } from "./soft_keyboard.tsx";
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
  const focusStage = useCallback(() => stage.current?.focus({ preventScroll: true }), []);
  const releaseKeys = useCallback(() => {
    autoHide.show();
    toolbar.current?.querySelector<HTMLElement>("button")?.focus();
  }, [autoHide.show]);
  const ended = session.phase.kind === "ended";
  const controllable = session.inputGranted && !session.viewOnly && session.phase.kind === "live";

  return (
    <div
      className="relative flex h-full flex-col overflow-hidden bg-canvas"
      data-phase={session.phase.kind}
      data-testid="session"
      ref={root}
    >
      <p className="sr-only" role="status">
        {session.desktopName}: {phaseWords(session)}, {transportWords(session.transport)}
      </p>
      <Toolbar
        controllable={controllable}
        floating={floating}
        fullscreen={fullscreen}
        hudOpen={hudOpen}
        onChoice={(choice) => client.choose(choice)}
        onHud={() => setHudOpen(!hudOpen)}
        onKeyboard={() => keyboard.current?.open()}
        onLeave={props.onLeave}
        onPanning={() => setPanning(!panning)}
        onRefused={setNotice}
        onScaling={(next) => {
          setScaling(next);
          setPanning(false);
        }}
        onSpecial={(keys) => {
          client.sendSpecial(keys);
          focusStage();
        }}
        onTypeText={() => setTyping(true)}
        onViewOnly={(viewOnly) => client.setViewOnly(viewOnly)}
        panning={panning}
        ref={toolbar}
        scaling={scaling}
        session={session}
        shown={autoHide.shown}
      />
      {floating && !autoHide.shown ? <RevealHandle onClick={releaseKeys} /> : null}
      <LinkBanner inSession link={props.link} onRetry={() => client.retryNow()} />
      <div className="relative flex min-h-0 flex-1 flex-col lg:flex-row">
        <PictureArea
          client={client}
          controllable={controllable}
          onRelease={releaseKeys}
          panning={panning}
          scaling={scaling}
          session={session}
          stageRef={stage}
        >
          <WaitingOverlay onLeave={props.onLeave} phase={session.phase} />
          <RecoveringBanner phase={session.phase} />
          {ended
            ? (
              <EndedOverlay
                onConnectAgain={props.onConnectAgain}
                onLeave={props.onLeave}
                session={session}
              />
            )
            : null}
          <Notice text={notice} />
        </PictureArea>
        <Hud
          floating={fullscreen.active}
          onToggle={() => setHudOpen(!hudOpen)}
          open={hudOpen}
          session={session}
        />
      </div>
      <SoftKeyboard client={client} ref={keyboard} stageRef={stage} />
      <TypeTextDialog
        onClose={() => setTyping(false)}
        onType={(text) => {
          client.typeText(text);
          focusStage();
        }}
        open={typing}
      />
    </div>
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
