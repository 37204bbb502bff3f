/** Lanes of bars over time, and the same in words. */
import { useState } from "react";
import {
  causeWords,
  clip,
  type CourseLane,
  courseTime,
  type CourseWindow,
  laneFigure,
  laneWords,
  type SessionRecord,
  setUpOf,
  type SpanTone,
  spanTone,
  spanWords,
  wholeCourse,
} from "../core/mod.ts";
import { Segmented } from "./segmented.tsx";

/** Width of the drawing in its own units, about the panel's pixels. */
const WIDTH = 300;
const LANE_HEIGHT = 30;
const BAR_TOP = 15;
const BAR_HEIGHT = 9;
const AXIS_HEIGHT = 16;
/** Shorter stretches are drawn this wide, so that they can be seen. */
const MIN_BAR = 2;
/** Between neighbours, so that two of one colour are two. */
const GAP = 0.75;

const FILLS: Readonly<Record<SpanTone, string>> = {
  busy: "fill-accent-ink",
  good: "fill-good",
  warn: "fill-warn",
  bad: "fill-bad",
};

type View = "set-up" | "whole";

/** The picture with its switch and its words. */
export function CoursePicture({ record }: { record: SessionRecord }) {
  const setUp = setUpOf(record);
  const [wanted, setWanted] = useState<View>("set-up");
  const whole = wholeCourse(record);
  const shown = setUp !== null && wanted === "set-up" ? setUp : whole;
  const lanes = record.lanes.filter((lane) => lane.spans.length > 0);
  return (
    <figure className="mt-3" data-testid="lanes">
      {setUp === null ? null : (
        <div className="mb-2">
          <Segmented
            label="Part of the session"
            onChange={setWanted}
            options={[
              { value: "set-up", label: "Set-up", hint: "From the request to the first picture" },
              { value: "whole", label: "Whole session", hint: "From the request until now" },
            ]}
            testId="lanes-view"
            value={wanted}
          />
        </div>
      )}
      <Drawing lanes={lanes} window={shown} />
      <figcaption>
        <details className="mt-1">
          <summary className="rounded-sm text-muted">The same in words</summary>
          {lanes.map((lane) => <Words key={lane.lane} lane={lane} startedAt={record.startedAt} />)}
        </details>
      </figcaption>
    </figure>
  );
}

interface DrawingProps {
  readonly lanes: readonly CourseLane[];
  readonly window: CourseWindow;
}

function Drawing({ lanes, window }: DrawingProps) {
  const height = lanes.length * LANE_HEIGHT;
  const lengthMs = window.to - window.from;
  return (
    <svg
      aria-label={`Course of the session over ${courseTime(lengthMs)}`}
      className="w-full tabular-nums"
      role="img"
      viewBox={`0 0 ${WIDTH} ${height + AXIS_HEIGHT}`}
    >
      {lanes.map((lane, i) => (
        <Bars key={lane.lane} lane={lane} top={i * LANE_HEIGHT} window={window} />
      ))}
      {([[0, "start"], [0.5, "middle"], [1, "end"]] as const).map(([share, anchor]) => (
        <text
          className="fill-muted"
          fontSize="9.5"
          key={anchor}
          textAnchor={anchor}
          x={share * WIDTH}
          y={height + 13}
        >
          {share === 0 ? "0" : courseTime(lengthMs * share)}
        </text>
      ))}
    </svg>
  );
}

interface BarsProps {
  readonly lane: CourseLane;
  readonly top: number;
  readonly window: CourseWindow;
}

function Bars({ lane, top, window }: BarsProps) {
  const perMs = WIDTH / (window.to - window.from);
  return (
    <g data-lane={lane.lane}>
      <text className="fill-ink font-medium" fontSize="10.5" x="0" y={top + 11}>
        {laneWords(lane.lane)}
      </text>
      <text className="fill-muted" fontSize="10" textAnchor="end" x={WIDTH} y={top + 11}>
        {laneFigure(lane)}
      </text>
      <rect
        className="fill-sunken"
        data-track
        height={BAR_HEIGHT}
        rx="2"
        width={WIDTH}
        y={top + BAR_TOP}
      />
      {[0.25, 0.5, 0.75].map((share) => (
        <line
          className="stroke-line-strong"
          key={share}
          strokeWidth="0.5"
          x1={share * WIDTH}
          x2={share * WIDTH}
          y1={top + BAR_TOP}
          y2={top + BAR_TOP + BAR_HEIGHT}
        />
      ))}
      {lane.spans.map((span) => {
        const part = clip(span, window);
        if (part === null) return null;
        const width = Math.max(MIN_BAR, (part.to - part.from) * perMs - GAP);
        return (
          <rect
            className={FILLS[spanTone(span.label)]}
            data-span={span.label}
            height={BAR_HEIGHT}
            key={`${span.from} ${span.label}`}
            rx="1.5"
            width={width}
            x={Math.min(WIDTH - width, (part.from - window.from) * perMs)}
            y={top + BAR_TOP}
          >
            <title>
              {`${spanWords(span.label)}, ${courseTime(span.to - span.from)}${
                span.cause === null ? "" : `: ${causeWords(span.cause)}`
              }`}
            </title>
          </rect>
        );
      })}
    </g>
  );
}

function Words({ lane, startedAt }: { lane: CourseLane; startedAt: number }) {
  return (
    <table className="mt-3 w-full text-left tabular-nums">
      <caption className="pb-0.5 text-left font-semibold">{laneWords(lane.lane)}</caption>
      <thead className="text-xs text-muted">
        <tr>
          <th className="font-normal" scope="col">What</th>
          <th className="w-18 pl-2 text-right font-normal" scope="col">From</th>
          <th className="w-18 pl-2 text-right font-normal" scope="col">For</th>
        </tr>
      </thead>
      <tbody>
        {lane.spans.map(({ from, to, label, cause }) => (
          <tr className="border-t border-line align-top" key={`${from} ${label}`}>
            <td className="py-0.5">
              {spanWords(label)}
              {cause === null ? null : (
                <span className="block text-xs wrap-anywhere text-muted">
                  {causeWords(cause)}
                </span>
              )}
            </td>
            <td className="py-0.5 pl-2 text-right whitespace-nowrap">
              {courseTime(from - startedAt)}
            </td>
            <td className="py-0.5 pl-2 text-right whitespace-nowrap">{courseTime(to - from)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
