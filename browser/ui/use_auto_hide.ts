/** The toolbar in full screen: there when wanted, out of the way otherwise. */
import { type RefObject, useCallback, useEffect, useState } from "react";

const HIDE_AFTER_MS = 2800;
/** A pointer this close to the top edge asks for the toolbar. */
const EDGE_PX = 6;

/** `shown` is always true while `floating` is false. */
export function useAutoHide(
  floating: boolean,
  toolbar: RefObject<HTMLElement | null>,
): { readonly shown: boolean; readonly show: () => void } {
  const [shown, setShown] = useState(true);
  const [wanted, setWanted] = useState(0);
  const show = useCallback(() => {
    setShown(true);
    setWanted((n) => n + 1);
  }, []);

  useEffect(() => {
    setShown(true);
    if (!floating) return;
    const moved = (event: PointerEvent) => {
      if (event.clientY <= EDGE_PX) show();
    };
    addEventListener("pointermove", moved, { passive: true, capture: true });
    return () => removeEventListener("pointermove", moved, { capture: true });
  }, [floating, show]);

  useEffect(() => {
    if (!floating || !shown) return;
    const hide = () => {
      const bar = toolbar.current;
      const busy = bar !== null && (bar.matches(":hover, :focus-within") ||
        bar.querySelector(":popover-open") !== null);
      if (busy) timer = setTimeout(hide, HIDE_AFTER_MS);
      else setShown(false);
    };
    let timer = setTimeout(hide, HIDE_AFTER_MS);
    return () => clearTimeout(timer);
  }, [floating, shown, wanted, toolbar]);

  return { shown: !floating || shown, show };
}
