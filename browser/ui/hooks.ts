/** React hooks around what the page's surroundings do: time, sizes, full screen. */
import { type RefObject, useCallback, useEffect, useState, useSyncExternalStore } from "react";

/** The wall clock, read anew every second; for countdowns. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Whether a media query holds, kept up to date. */
export function useMedia(query: string): boolean {
  const subscribe = useCallback((changed: () => void) => {
    const list = matchMedia(query);
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, [query]);
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}

/** Size of an element's content box in CSS pixels, and the device's pixel ratio. */
export interface AreaSize {
  readonly width: number;
  readonly height: number;
  readonly devicePixelRatio: number;
}

/** Follows an element's size; zero until it is mounted. */
export function useAreaSize(ref: RefObject<HTMLElement | null>): AreaSize {
  const [size, setSize] = useState<AreaSize>({ width: 0, height: 0, devicePixelRatio: 1 });
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const measure = () =>
      setSize((old) => {
        const { clientWidth: width, clientHeight: height } = element;
        const ratio = globalThis.devicePixelRatio;
        const same = old.width === width && old.height === height && old.devicePixelRatio === ratio;
        return same ? old : { width, height, devicePixelRatio: ratio };
      });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    addEventListener("resize", measure); // zooming changes the ratio without the size
    return () => {
      observer.disconnect();
      removeEventListener("resize", measure);
    };
  }, [ref]);
  return size;
}

/** Keyboard Lock (WICG): where it exists, full screen takes Alt-Tab, Super and Esc as well. */
interface KeyboardLock {
  lock(): Promise<void>;
  unlock(): void;
}

function keyboardLock(): KeyboardLock | null {
  const keyboard: unknown = "keyboard" in navigator ? navigator.keyboard : null;
  const usable = typeof keyboard === "object" && keyboard !== null && "lock" in keyboard &&
    "unlock" in keyboard;
  return usable ? keyboard as KeyboardLock : null;
}

/** Full screen of one element. */
export function useFullscreen(
  ref: RefObject<HTMLElement | null>,
): { readonly active: boolean; readonly available: boolean; readonly toggle: () => void } {
  const [active, setActive] = useState(false);
  useEffect(() => {
    const changed = () => {
      const on = document.fullscreenElement !== null && document.fullscreenElement === ref.current;
      setActive(on);
      if (!on) keyboardLock()?.unlock();
    };
    document.addEventListener("fullscreenchange", changed);
    return () => {
      document.removeEventListener("fullscreenchange", changed);
      keyboardLock()?.unlock();
    };
  }, [ref]);
  const toggle = () => {
    if (document.fullscreenElement !== null) void document.exitFullscreen();
    else void enterFullscreen(ref.current);
  };
  return { active, available: document.fullscreenEnabled === true, toggle };
}

async function enterFullscreen(element: HTMLElement | null): Promise<void> {
  try {
    await element?.requestFullscreen({ navigationUI: "hide" });
    await keyboardLock()?.lock();
  } catch {
    // The browser refused: the button simply stays as it was.
  }
}
