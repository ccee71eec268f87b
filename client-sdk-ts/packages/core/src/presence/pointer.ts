// The own pointer over an element, in that element's coordinates.

import type { Point } from "./point.js";

/** The part of an element that is used. */
export interface PointerTarget extends EventTarget {
  /** Where the element is, in the coordinates of the pointer. */
  getBoundingClientRect(): { readonly left: number; readonly top: number };
}

/**
 * Calls with each place of the pointer over the element, measured in pixels from its upper left corner, and with null
 * when it leaves. Returns the way to stop.
 */
export function trackPointer(
  element: PointerTarget,
  onPoint: (point: Point | null) => void,
): () => void {
  const move = (event: Event) => {
    const { clientX, clientY } = event as PointerEvent;
    const { left, top } = element.getBoundingClientRect();
    onPoint({ x: clientX - left, y: clientY - top });
  };
  const leave = () => onPoint(null);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerleave", leave);
  // A finger that is lifted is nowhere, and a browser that takes over for scrolling sends nothing more.
  element.addEventListener("pointercancel", leave);
  return () => {
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerleave", leave);
    element.removeEventListener("pointercancel", leave);
  };
}
