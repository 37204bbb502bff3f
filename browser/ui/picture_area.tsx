/** The space of the picture: the stage lies exactly on the picture, everything else around it. */
import {
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useEffect,
  useRef,
  useState,
} from "react";
import type { ConsoleClient, SessionView } from "../core/mod.ts";
import { useAreaSize } from "./hooks.ts";
import { pictureBox, type Scaling } from "./picture_box.ts";
import { RELEASE_CHORD } from "./toolbar.tsx";

const HINT_MS = 5000;

/** Properties of `PictureArea`. */
export interface PictureAreaProps {
  readonly client: ConsoleClient;
  readonly session: SessionView;
  readonly controllable: boolean;
  readonly scaling: Scaling;
  readonly panning: boolean;
  readonly stageRef: RefObject<HTMLDivElement | null>;
  /** The operator asked for the keyboard back. */
  readonly onRelease: () => void;
  /** Overlays. */
  readonly children: ReactNode;
}

/** The stage with its margin; knows how large the picture is and whether it has the keyboard. */
export function PictureArea(props: PictureAreaProps) {
  const { session, scaling } = props;
  const area = useRef<HTMLDivElement>(null);
  const size = useAreaSize(area);
  const [focused, setFocused] = useState(false);
  useFirstFocus(props.controllable, props.stageRef);
  const box = pictureBox(scaling, {
    areaWidth: size.width,
    areaHeight: size.height,
    screenWidth: session.width,
    screenHeight: session.height,
    devicePixelRatio: size.devicePixelRatio,
  });
  return (
    <section aria-label="Picture" className="relative min-h-0 min-w-0 flex-1 bg-stage">
      <div
        className={`thin-scroll absolute inset-0.5 flex ${
          scaling === "fit" ? "overflow-hidden" : "overflow-auto"
        }`}
        data-scaling={scaling}
        data-testid="picture-area"
        ref={area}
      >
        <Stage {...props} box={box} onFocused={setFocused} />
      </div>
      {focused ? <FocusRing /> : null}
      {focused && props.controllable ? <KeyHint /> : null}
      {props.children}
    </section>
  );
}

interface StageProps extends PictureAreaProps {
  readonly box: { readonly width: number; readonly height: number };
  readonly onFocused: (focused: boolean) => void;
}

/** Lies exactly on the picture, takes pointer and keys. */
function Stage(props: StageProps) {
  const onKeyDownCapture = (event: KeyboardEvent) => {
    if (!(event.ctrlKey && event.altKey && event.shiftKey)) return;
    // Not for the desktop: leaving the stage lets go of the modifiers that went there already.
    event.preventDefault();
    event.stopPropagation();
    props.onRelease();
  };
  const touch = props.controllable ? "touch-none" : "touch-auto";
  return (
    <div
      aria-label={`Screen of ${props.session.desktopName}`}
      className={`relative m-auto shrink-0 overflow-hidden bg-black outline-none select-none ${touch} ${
        props.panning ? "pointer-events-none" : ""
      }`}
      data-testid="stage"
      onBlur={() => props.onFocused(false)}
      onFocus={() => props.onFocused(true)}
      onKeyDownCapture={onKeyDownCapture}
      ref={props.stageRef}
      role="application"
      style={{ width: props.box.width, height: props.box.height }}
      tabIndex={0}
    >
      <Surfaces client={props.client} stageRef={props.stageRef} />
    </div>
  );
}

/** Hands the surfaces to the client once; from then on only the client shows and hides them. */
function Surfaces({ client, stageRef }: Pick<PictureAreaProps, "client" | "stageRef">) {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const cursor = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (!stageRef.current || !video.current || !canvas.current || !cursor.current) return;
    return client.attach({
      stage: stageRef.current,
      video: video.current,
      canvas: canvas.current,
      cursor: cursor.current,
    });
  }, [client, stageRef]);
  return (
    <>
      <video
        autoPlay
        className="absolute inset-0 size-full object-fill"
        data-testid="screen-video"
        disablePictureInPicture
        muted
        playsInline
        ref={video}
      />
      <canvas
        className="absolute inset-0 size-full"
        data-testid="screen-canvas"
        hidden
        ref={canvas}
      />
      <canvas
        aria-hidden="true"
        className="pointer-events-none absolute top-0 left-0"
        data-testid="screen-cursor"
        hidden
        ref={cursor}
      />
    </>
  );
}

/** The desktop gets the keyboard as soon as it can be controlled, unless a tool is in use. */
function useFirstFocus(controllable: boolean, stageRef: RefObject<HTMLDivElement | null>): void {
  useEffect(() => {
    const idle = document.activeElement === null || document.activeElement === document.body;
    if (controllable && idle) stageRef.current?.focus({ preventScroll: true });
  }, [controllable, stageRef]);
}

/** In the margin around the picture, so that it covers none of it. */
const FocusRing = () => (
  <div
    aria-hidden="true"
    className="pointer-events-none absolute inset-0 border-2 border-accent-ink pointer-coarse:hidden"
    data-testid="focus-ring"
  />
);

function KeyHint() {
  const [shown, setShown] = useState(true);
  useEffect(() => {
    const timer = setTimeout(() => setShown(false), HINT_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!shown) return null;
  return (
    <p
      className="pointer-events-none absolute bottom-4 left-1/2 pointer-coarse:hidden z-10 -translate-x-1/2 animate-rise rounded-full bg-black/75 px-4 py-1.5 text-xs whitespace-nowrap text-white shadow-float"
      data-testid="key-hint"
    >
      Keys go to the desktop. <kbd className="font-sans font-semibold">{RELEASE_CHORD}</kbd>{" "}
      brings them back
    </p>
  );
}
