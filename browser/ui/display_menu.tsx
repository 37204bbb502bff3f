/** The choice of a display: a small map of where they stand, and their names. */
import type { DisplayCaps } from "@farglass/protocol";
import { ALL_DISPLAYS, type DisplaysView } from "../core/mod.ts";
import { type MenuItem, ToolMenu } from "./tool_menu.tsx";
import { displayWords } from "./words.ts";

/** Properties of `DisplayMenu`. */
export interface DisplayMenuProps {
  readonly displays: DisplaysView;
  readonly disabled: boolean;
  readonly onPick: (display: string) => void;
}

/** Only where there is something to choose. */
export function DisplayMenu({ displays, disabled, onPick }: DisplayMenuProps) {
  const { list, all, shown } = displays;
  if (list.length < 2) return null;
  const items: MenuItem[] = list.map((display, i) => ({
    id: `display-${display.id}`,
    label: `${i + 1} · ${display.name}`,
    hint: sizeWords(display),
    checked: display.id === shown,
    onPick: () => onPick(display.id),
  }));
  if (all) {
    items.push({
      id: `display-${ALL_DISPLAYS}`,
      label: displayWords(displays, ALL_DISPLAYS),
      hint: "Side by side in one picture",
      checked: shown === ALL_DISPLAYS,
      onPick: () => onPick(ALL_DISPLAYS),
    });
  }
  return (
    <ToolMenu
      disabled={disabled}
      footnote={`Ctrl + Alt + Shift with D shows the next display, with its number any other${
        all ? ", with 0 all of them" : ""
      }.`}
      icon="displays"
      items={items}
      label="Displays"
      picture={<DisplayMap displays={displays} />}
      showLabel="never"
      testId="displays"
      title={`Display: ${displayWords(displays, shown)}`}
    />
  );
}

function sizeWords({ width, height, primary, rotation = 0 }: DisplayCaps): string {
  const turned = rotation === 0 ? [] : [`turned by ${rotation}°`];
  return [`${width} × ${height}`, ...(primary ? ["primary"] : []), ...turned].join(", ");
}

const MAP_WIDTH = 240;
const MAP_HEIGHT = 84;
const GAP = 1.5;

/** Where the displays stand; the entries below say the same in words. */
function DisplayMap({ displays: { list, shown } }: { displays: DisplaysView }) {
  const placed = list.map(({ x = 0, y = 0, ...display }) => ({ ...display, x, y }));
  const left = Math.min(...placed.map(({ x }) => x));
  const top = Math.min(...placed.map(({ y }) => y));
  const width = Math.max(...placed.map((d) => d.x + d.width)) - left;
  const height = Math.max(...placed.map((d) => d.y + d.height)) - top;
  const scale = Math.min(MAP_WIDTH / width, MAP_HEIGHT / height);
  return (
    <svg
      aria-hidden="true"
      className="mx-auto mt-1.5 mb-2 block"
      data-testid="display-map"
      height={height * scale}
      viewBox={`0 0 ${width * scale} ${height * scale}`}
      width={width * scale}
    >
      {placed.map((display, i) => {
        const on = shown === ALL_DISPLAYS || shown === display.id;
        const [x, y] = [(display.x - left) * scale, (display.y - top) * scale];
        const [w, h] = [display.width * scale, display.height * scale];
        return (
          <g key={display.id}>
            <rect
              className={on
                ? "fill-accent-soft stroke-accent-ink"
                : "fill-canvas stroke-line-strong"}
              height={Math.max(1, h - 2 * GAP)}
              rx="3"
              strokeWidth="1.5"
              width={Math.max(1, w - 2 * GAP)}
              x={x + GAP}
              y={y + GAP}
            />
            <text
              className={on ? "fill-accent-ink" : "fill-muted"}
              dominantBaseline="central"
              fontSize="13"
              fontWeight="600"
              textAnchor="middle"
              x={x + w / 2}
              y={y + h / 2}
            >
              {i + 1}
            </text>
          </g>
        );
      })}
    </svg>
  );
}
