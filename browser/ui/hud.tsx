/** The live facts of a session: a column beside the picture, on a phone a sheet below it. */
import {
  CHOICE_REASONS,
  CONGESTION_REASONS,
  FORMAT_REASONS,
  PATCH_REASONS,
  PLAYOUT_REASONS,
} from "@farglass/protocol";
import type { ReactNode } from "react";
import type { ConsoleClient, SessionView } from "../core/mod.ts";
import { Dot, ToolButton } from "./controls.tsx";
import {
  bitrateText,
  clockText,
  countdownText,
  fpsText,
  milliText,
  percentText,
  spanText,
} from "./format.ts";
import { useNow } from "./hooks.ts";
import { Icon } from "./icons.tsx";
import { Lanes } from "./lanes.tsx";
import { Latency } from "./latency.tsx";
import { Timeline } from "./timeline.tsx";
import {
  codecWords,
  displayWords,
  pathWords,
  phaseTone,
  phaseWords,
  relayHintWords,
  stageTone,
  stageWords,
  transportWords,
  UNKNOWN,
} from "./words.ts";

/** Properties of `Hud`. */
export interface HudProps {
  readonly session: SessionView;
  readonly open: boolean;
  /** In full screen and in low windows it lies over the picture instead of beside it. */
  readonly floating: boolean;
  /** While floating: the toolbar lies over its top. */
  readonly underToolbar: boolean;
  readonly onToggle: () => void;
  readonly readRecord: ConsoleClient["readRecord"];
  readonly exportBundle: ConsoleClient["exportBundle"];
}

/** Always in the page, so that whoever reads it by `data-testid` finds every fact. */
export function Hud(props: HudProps) {
  const { session, open, floating } = props;
  const place = floating
    ? `absolute inset-y-0 right-0 z-10 w-84 max-w-full border-l shadow-float ${
      open ? "" : "hidden"
    } ${props.underToolbar ? "pt-13" : ""}`
    : `border-t lg:w-84 lg:border-t-0 lg:border-l ${open ? "" : "lg:hidden"}`;
  return (
    <aside
      aria-label="Connection details"
      className={`order-last flex shrink-0 flex-col border-line bg-surface ${place}`}
      data-open={open}
      data-stage={session.stage ?? ""}
      data-testid="hud"
      data-transport={session.transport}
    >
      <Peek {...props} />
      <div
        className={`thin-scroll min-h-0 flex-1 overflow-y-auto overscroll-contain px-4 pb-4 lg:max-h-none ${
          floating ? "" : "max-h-[52dvh]"
        } ${open ? "" : "hidden"}`}
        aria-label="Connection facts"
        role="region"
        tabIndex={open ? 0 : -1}
      >
        <Headline session={session} />
        <Gauges session={session} />
        <Latency latency={session.hud.latency} />
        <Facts session={session} />
        <Timeline entries={session.timeline} />
        <Lanes
          ended={session.phase.kind === "ended"}
          exportBundle={props.exportBundle}
          readRecord={props.readRecord}
          sessionId={session.sessionId}
        />
      </div>
    </aside>
  );
}

/** The sheet's handle on a phone; the panel's title elsewhere. */
function Peek({ session, open, floating, onToggle }: HudProps) {
  const { hud } = session;
  return (
    <>
      <button
        aria-expanded={open}
        aria-label="Connection details"
        className={`flex h-11 w-full items-center gap-2.5 px-4 text-left tabular-nums ${
          floating ? "hidden" : "lg:hidden"
        }`}
        data-testid="details-peek"
        onClick={onToggle}
        type="button"
      >
        <Dot tone={phaseTone(session)} />
        <span className="truncate font-medium">{transportWords(session.transport)}</span>
        <span className="ml-auto flex shrink-0 gap-3 text-muted">
          <span>{fpsText(hud.fps)} fps</span>
          <span>{milliText(hud.rttMs)}</span>
        </span>
        <span className={`text-muted transition-transform ${open ? "" : "rotate-180"}`}>
          <Icon name="chevron" />
        </span>
      </button>
      <div
        className={`h-12 shrink-0 items-center justify-between pr-2 pl-4 ${
          floating ? "flex" : "hidden lg:flex"
        }`}
      >
        <h2 className="font-semibold">Connection</h2>
        <ToolButton
          icon="close"
          label="Hide connection details"
          onClick={onToggle}
          showLabel="never"
        />
      </div>
    </>
  );
}

function Headline({ session }: { session: SessionView }) {
  return (
    <div className="flex items-center justify-between gap-3 pb-3">
      <p
        className="min-w-0 text-base font-semibold"
        data-testid="hud-transport"
        data-transport={session.transport}
        data-value={session.transport}
      >
        {`${transportWords(session.transport)} `}
        {session.transport === "none"
          ? null
          : (
            <code className="ml-1 text-xs font-normal whitespace-nowrap text-muted">
              {session.transport}
            </code>
          )}
      </p>
      <p className="flex shrink-0 items-center gap-2 rounded-full border border-line bg-canvas py-1 pr-3 pl-2.5 text-xs font-medium">
        <Dot tone={session.silent ? "warn" : stageTone(session.stage)} />
        <span data-testid="hud-stage" data-value={session.stage ?? ""}>
          {session.silent ? phaseWords(session) : stageWords(session.stage)}
        </span>
      </p>
    </div>
  );
}

interface FactProps {
  readonly name: string;
  readonly testId: string;
  readonly value: number | string | null;
  readonly children: ReactNode;
}

function Gauge({ name, testId, value, children }: FactProps) {
  return (
    <div className="bg-surface px-3 py-2.5">
      <dt className="text-xs text-muted">{name}</dt>
      <dd
        className="mt-0.5 text-lg leading-6 font-semibold whitespace-nowrap tabular-nums"
        data-testid={testId}
        data-value={value ?? ""}
      >
        {children}
      </dd>
    </div>
  );
}

function Gauges({ session: { hud } }: { session: SessionView }) {
  return (
    <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-xl border border-line bg-line">
      <Gauge name="Frame rate" testId="hud-fps" value={hud.fps}>
        {fpsText(hud.fps)}
        {hud.fps === null ? null : <Unit>fps</Unit>}
      </Gauge>
      <Gauge name="Bitrate" testId="hud-bitrate" value={hud.bitrateKbps}>
        <Measure text={bitrateText(hud.bitrateKbps)} />
      </Gauge>
      <Gauge name="Round trip" testId="hud-rtt" value={hud.rttMs}>
        <Measure text={milliText(hud.rttMs)} />
      </Gauge>
      <Gauge name="Loss" testId="hud-loss" value={hud.loss}>
        <Measure text={percentText(hud.loss)} />
      </Gauge>
    </dl>
  );
}

const Unit = ({ children }: { children: string }) => (
  <span className="ml-1 text-xs font-medium text-muted">{children}</span>
);

/** Splits `12 ms` into a large number and a small unit. */
function Measure({ text }: { text: string }) {
  const [number, ...unit] = text.split(" ");
  return <>{number}{unit.length === 0 ? null : <Unit>{unit.join(" ")}</Unit>}</>;
}

function Fact({ name, testId, value, children }: FactProps) {
  return (
    <div className="flex items-baseline justify-between gap-4 py-1.5">
      <dt className="shrink-0 text-muted">{name}</dt>
      <dd
        className="text-right font-medium tabular-nums"
        data-testid={testId}
        data-value={value ?? ""}
      >
        {children}
      </dd>
    </div>
  );
}

function SoundFacts({ session }: { session: SessionView }) {
  const { soundOn, soundRefusal, hud: { sound } } = session;
  const state = soundRefusal !== null ? "none" : soundOn ? "on" : "off";
  return (
    <>
      <Fact name="Sound" testId="hud-sound" value={state}>
        {soundRefusal ?? (sound === null ? "Off" : `Opus, ${bitrateText(sound.kbps)}`)}
      </Fact>
      <Fact name="Sound’s delay" testId="hud-sound-delay" value={sound?.delayMs ?? null}>
        {milliText(sound?.delayMs ?? null)}
      </Fact>
      <Fact name="behind the picture" testId="hud-sound-behind" value={sound?.behindMs ?? null}>
        {milliText(sound?.behindMs ?? null)}
      </Fact>
      <Fact name="Sound’s jitter" testId="hud-sound-jitter" value={sound?.jitterMs ?? null}>
        {milliText(sound?.jitterMs ?? null)}
      </Fact>
    </>
  );
}

function Facts({ session }: { session: SessionView }) {
  const { hud } = session;
  const now = useNow();
  const path = pathWords(hud.candidatePair, session.transport);
  const sized = session.width > 0 && session.height > 0;
  const turnLeftMs = hud.turnExpiresAtMs === null ? null : Math.max(0, hud.turnExpiresAtMs - now);
  return (
    <dl className="mt-3 divide-y divide-line">
      <Fact name="Path" testId="hud-path" value={path.data}>{path.text}</Fact>
      <Fact
        name="Resolution"
        testId="hud-resolution"
        value={sized ? `${session.width}x${session.height}` : null}
      >
        {sized ? `${session.width} × ${session.height}` : UNKNOWN}
      </Fact>
      {session.displays.list.length < 2
        ? null
        : (
          <Fact name="Display" testId="hud-display" value={session.displays.shown}>
            {displayWords(session.displays, session.displays.shown)}
          </Fact>
        )}
      <Fact name="Video format" testId="hud-codec" value={hud.videoCodec}>
        {codecWords(hud.videoCodec)}
      </Fact>
      <Fact name="because" testId="hud-codec-reason" value={hud.format?.reason ?? null}>
        {hud.format === null ? UNKNOWN : FORMAT_REASONS[hud.format.reason]}
      </Fact>
      <Fact name="Video may take" testId="hud-target" value={hud.network?.targetKbps ?? null}>
        {bitrateText(hud.network?.targetKbps ?? null)}
      </Fact>
      <Fact name="because" testId="hud-target-reason" value={hud.network?.reason ?? null}>
        {hud.network === null ? UNKNOWN : CONGESTION_REASONS[hud.network.reason]}
      </Fact>
      <Fact name="Patches" testId="hud-patch-reason" value={hud.patches?.reason ?? null}>
        {hud.patches === null ? UNKNOWN : PATCH_REASONS[hud.patches.reason]}
      </Fact>
      <Fact name="Motion" testId="hud-choice-reason" value={hud.choice?.reason ?? null}>
        {hud.choice === null ? UNKNOWN : CHOICE_REASONS[hud.choice.reason]}
      </Fact>
      <Fact name="Playout" testId="hud-playout-reason" value={hud.playout}>
        {hud.playout === null ? UNKNOWN : PLAYOUT_REASONS[hud.playout]}
      </Fact>
      <Fact name="Network queue" testId="hud-queue" value={hud.network?.queueMs ?? null}>
        {milliText(hud.network?.queueMs ?? null)}
      </Fact>
      <Fact name="Decoding" testId="hud-decode" value={hud.decodeMs}>
        {milliText(hud.decodeMs)}
      </Fact>
      <Fact name="Jitter buffer" testId="hud-jitter-buffer" value={hud.jitterBufferMs}>
        {milliText(hud.jitterBufferMs)}
      </Fact>
      <SoundFacts session={session} />
      <Fact
        name="Exact since"
        testId="hud-exact-since"
        value={hud.exactSinceMs}
      >
        {hud.exactSinceMs === null
          ? UNKNOWN
          : `${clockText(hud.exactSinceMs)} (${spanText(now - hud.exactSinceMs)})`}
      </Fact>
      <Fact
        name="TURN time left"
        testId="hud-turn-ttl"
        value={turnLeftMs === null ? null : Math.ceil(turnLeftMs / 1000)}
      >
        {turnLeftMs === null ? UNKNOWN : countdownText(turnLeftMs)}
      </Fact>
      <Fact name="Relay hint" testId="hud-relay-hint" value={hud.relayHint}>
        {relayHintWords(hud.relayHint)}
      </Fact>
    </dl>
  );
}
