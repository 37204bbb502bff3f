/**
 * Fingers → one mouse: a tap clicks, a finger that moves drags, a long press is the right button,
 * two fingers scroll. The press waits until it is clear what the finger does, so that a scroll
 * never clicks.
 */

/** What a mouse would have done, at a point of the window. */
export type TouchAction =
  | { readonly kind: "move"; readonly x: number; readonly y: number }
  | { readonly kind: "down"; readonly x: number; readonly y: number; readonly button: number }
  | { readonly kind: "up"; readonly x: number; readonly y: number; readonly button: number }
  /** CSS pixels, as a wheel would report them. */
  | {
    readonly kind: "scroll";
    readonly x: number;
    readonly y: number;
    readonly dx: number;
    readonly dy: number;
  };

interface Finger {
  readonly x: number;
  readonly y: number;
}

/** Which gesture is on its way. */
export type TouchState =
  | { readonly kind: "none" }
  /** One finger down, not moved yet. */
  | { readonly kind: "maybe"; readonly id: number; readonly start: Finger }
  | { readonly kind: "drag"; readonly id: number; readonly at: Finger }
  | { readonly kind: "scroll"; readonly fingers: ReadonlyMap<number, Finger> }
  /** A gesture is over; wait until every finger is up. */
  | { readonly kind: "done"; readonly ids: ReadonlySet<number> };

/** No finger touches. */
export const noTouch: TouchState = { kind: "none" };

/** A finger that moved this far drags. */
const DRAG_PX = 10;

type Played = readonly [TouchState, readonly TouchAction[]];

/** A finger touched, in CSS pixels of the window. */
export function touchDown(state: TouchState, id: number, at: Finger): Played {
  switch (state.kind) {
    case "none":
      return [{ kind: "maybe", id, start: at }, [{ kind: "move", ...at }]];
    case "maybe":
      return [{ kind: "scroll", fingers: new Map([[state.id, state.start], [id, at]]) }, []];
    case "drag":
      return [
        { kind: "done", ids: new Set([state.id, id]) },
        [{ kind: "up", ...state.at, button: 1 }],
      ];
    case "scroll":
      return [{ kind: "done", ids: new Set([...state.fingers.keys(), id]) }, []];
    case "done":
      return [{ kind: "done", ids: new Set([...state.ids, id]) }, []];
  }
}

/** A finger moved. */
export function touchMove(state: TouchState, id: number, at: Finger): Played {
  if (state.kind === "maybe" && state.id === id) {
    if (Math.hypot(at.x - state.start.x, at.y - state.start.y) < DRAG_PX) return [state, []];
    return [{ kind: "drag", id, at }, [
      { kind: "down", ...state.start, button: 1 },
      { kind: "move", ...at },
    ]];
  }
  if (state.kind === "drag" && state.id === id) {
    return [{ ...state, at }, [{ kind: "move", ...at }]];
  }
  if (state.kind !== "scroll") return [state, []];
  const before = state.fingers.get(id);
  if (before === undefined) return [state, []];
  const fingers = new Map(state.fingers).set(id, at);
  // Each finger moves the page by half; content follows the fingers.
  const dx = (before.x - at.x) / 2;
  const dy = (before.y - at.y) / 2;
  return [{ kind: "scroll", fingers }, [{ kind: "scroll", ...at, dx, dy }]];
}

/** A finger was lifted. */
export function touchUp(state: TouchState, id: number, at: Finger): Played {
  switch (state.kind) {
    case "none":
      return [state, []];
    case "maybe":
      if (state.id !== id) return [state, []];
      return [noTouch, [
        { kind: "down", ...at, button: 1 },
        { kind: "up", ...at, button: 1 },
      ]];
    case "drag":
      return state.id === id ? [noTouch, [{ kind: "up", ...at, button: 1 }]] : [state, []];
    case "scroll":
    case "done": {
      const ids = new Set(state.kind === "scroll" ? state.fingers.keys() : state.ids);
      ids.delete(id);
      return [ids.size === 0 ? noTouch : { kind: "done", ids }, []];
    }
  }
}

/** The system's long press. */
export function touchHold(state: TouchState): Played {
  if (state.kind !== "maybe") return [state, []];
  const { start, id } = state;
  return [{ kind: "done", ids: new Set([id]) }, [
    { kind: "down", ...start, button: 3 },
    { kind: "up", ...start, button: 3 },
  ]];
}

/** The browser took the gesture away. */
export function touchCancel(state: TouchState): Played {
  return [noTouch, state.kind === "drag" ? [{ kind: "up", ...state.at, button: 1 }] : []];
}
