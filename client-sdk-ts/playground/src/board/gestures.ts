// What hands do on the board: press, drag, pinch, wheel. It knows points of the window and ids of notes, and no notes.

import { distance, middle, type Point } from "./geometry.js";

export interface GestureListener {
  /** A press that did not move. `id`: the note under it, or `null` for the ground. */
  onTap(id: string | null): void;
  onDoubleTap(id: string | null, at: Point): void;
  /** A note is about to be dragged from here. `false`: it may not be, and the ground moves instead. */
  onGrab(id: string, at: Point): boolean;
  onDrag(at: Point): void;
  onDrop(): void;
  onPan(dx: number, dy: number): void;
  onPinch(from: readonly [Point, Point], to: readonly [Point, Point]): void;
  onZoom(at: Point, factor: number): void;
  /** Where the pointer is, or that it is gone. */
  onPoint(at: Point | null): void;
}

/** A hand trembles. What moves less than this has not moved. */
const SLOP_MOUSE_PX = 4;
const SLOP_TOUCH_PX = 9;
const DOUBLE_TAP_MS_MAX = 350;
const DOUBLE_TAP_PX_MAX = 24;
/** Pixels that a wheel's line and page stand for. */
const LINE_PX = 16;
const PAGE_PX = 400;
const WHEEL_ZOOM_PER_PX = 0.006;
/** A wheel that turns in large clicks zooms no faster than this. */
const WHEEL_PX_MAX = 60;

type Mode =
  | { readonly name: "idle" }
  | { readonly name: "pressed"; readonly start: Point; readonly id: string | null }
  | { readonly name: "panning" }
  | { readonly name: "dragging" }
  | { readonly name: "pinching" };

export class Gestures {
  readonly #element: HTMLElement;
  readonly #listener: GestureListener;
  readonly #pointers = new Map<number, Point>();
  readonly #listening = new AbortController();
  #mode: Mode = { name: "idle" };
  #lastTap: { readonly id: string | null; readonly at: Point; readonly ms: number } | null = null;
  #isSpaceDown = false;
  #corner: Point = { x: 0, y: 0 };

  constructor(element: HTMLElement, listener: GestureListener) {
    this.#element = element;
    this.#listener = listener;
    const { signal } = this.#listening;
    const on = <Name extends keyof HTMLElementEventMap>(
      name: Name,
      run: (event: HTMLElementEventMap[Name]) => void,
    ) => element.addEventListener(name, run, { signal, passive: false });
    on("pointerdown", (event) => this.#onDown(event));
    on("pointermove", (event) => this.#onMove(event));
    on("pointerup", (event) => this.#onUp(event, true));
    on("pointercancel", (event) => this.#onUp(event, false));
    on("pointerenter", () => this.#measure());
    on("pointerleave", () => listener.onPoint(null));
    on("wheel", (event) => this.#onWheel(event));
    // The middle button would scroll by itself, and a long press would open a menu under the finger.
    on("mousedown", (event) => {
      if (event.button === 1) event.preventDefault();
    });
    // A finger is followed by a mouse that was never there, and its press would take the focus.
    on("touchend", (event) => {
      if (event.cancelable && !isField(event.target)) event.preventDefault();
    });
    on("contextmenu", (event) => {
      if (event.pointerType === "touch" && !isField(event.target)) event.preventDefault();
    });
  }

  /** While the space bar is held, the ground moves wherever one presses. */
  set isSpaceDown(isDown: boolean) {
    this.#isSpaceDown = isDown;
    this.#element.toggleAttribute("data-grab", isDown);
  }

  close(): void {
    this.#listening.abort();
  }

  #onDown(event: PointerEvent): void {
    // In a field the hand chooses words.
    if (isField(event.target)) return;
    if (event.pointerType === "mouse" && event.button > 1) return;
    this.#measure();
    const at = this.#at(event);
    if (this.#mode.name === "idle") this.#pointers.clear();
    this.#pointers.set(event.pointerId, at);
    if (this.#pointers.size === 2) {
      this.#drop();
      this.#go({ name: "pinching" });
      return;
    }
    if (this.#pointers.size > 1) return;
    const isPan = this.#isSpaceDown || event.button === 1;
    this.#go(
      isPan ? { name: "panning" } : { name: "pressed", start: at, id: noteAt(event.target) },
    );
    if (isPan) this.#capture(event);
  }

  #onMove(event: PointerEvent): void {
    const at = this.#at(event);
    if (event.pointerType !== "touch") this.#listener.onPoint(at);
    const last = this.#pointers.get(event.pointerId);
    if (last === undefined) return;
    // The button was let go where nobody told us.
    if (event.buttons === 0) {
      this.#onUp(event, false);
      return;
    }
    const mode = this.#mode;
    switch (mode.name) {
      case "pressed": {
        const slop = event.pointerType === "mouse" ? SLOP_MOUSE_PX : SLOP_TOUCH_PX;
        if (distance(mode.start, at) < slop) return;
        this.#capture(event);
        if (mode.id !== null && this.#listener.onGrab(mode.id, mode.start)) {
          this.#go({ name: "dragging" });
          this.#listener.onDrag(at);
        } else {
          this.#go({ name: "panning" });
          this.#listener.onPan(at.x - mode.start.x, at.y - mode.start.y);
        }
        break;
      }
      case "dragging":
        this.#listener.onDrag(at);
        break;
      case "panning":
        this.#listener.onPan(at.x - last.x, at.y - last.y);
        break;
      case "pinching":
        this.#pinch(event.pointerId, at);
        break;
    }
    this.#pointers.set(event.pointerId, at);
  }

  #onUp(event: PointerEvent, isDone: boolean): void {
    const at = this.#pointers.get(event.pointerId);
    if (at === undefined) return;
    this.#pointers.delete(event.pointerId);
    const mode = this.#mode;
    if (mode.name === "pinching" && this.#pointers.size > 0) {
      // The finger that stays goes on with the ground.
      this.#go({ name: this.#pointers.size === 1 ? "panning" : "pinching" });
      return;
    }
    this.#drop();
    this.#go({ name: "idle" });
    if (event.pointerType === "touch") this.#listener.onPoint(null);
    if (mode.name === "pressed" && isDone) this.#tap(mode.id, at, event.timeStamp);
  }

  #tap(id: string | null, at: Point, ms: number): void {
    const last = this.#lastTap;
    const isDouble =
      last !== null &&
      last.id === id &&
      ms - last.ms < DOUBLE_TAP_MS_MAX &&
      distance(last.at, at) < DOUBLE_TAP_PX_MAX;
    this.#lastTap = isDouble ? null : { id, at, ms };
    if (isDouble) this.#listener.onDoubleTap(id, at);
    else this.#listener.onTap(id);
  }

  #pinch(pointerId: number, at: Point): void {
    const [a, b] = [...this.#pointers.keys()];
    if (a === undefined || b === undefined || (pointerId !== a && pointerId !== b)) return;
    const from = [this.#pointers.get(a), this.#pointers.get(b)] as [Point, Point];
    const to: [Point, Point] = pointerId === a ? [at, from[1]] : [from[0], at];
    this.#listener.onPinch(from, to);
    this.#listener.onPoint(middle(...to));
  }

  #onWheel(event: WheelEvent): void {
    if (isField(event.target) && scrolls(event.target.parentElement)) return;
    event.preventDefault();
    const unit = [1, LINE_PX, PAGE_PX][event.deltaMode] ?? 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    if (event.ctrlKey || event.metaKey) {
      const px = Math.max(-WHEEL_PX_MAX, Math.min(WHEEL_PX_MAX, dy));
      this.#listener.onZoom(this.#at(event), Math.exp(-px * WHEEL_ZOOM_PER_PX));
    } else if (event.shiftKey && dx === 0) {
      this.#listener.onPan(-dy, 0);
    } else {
      this.#listener.onPan(-dx, -dy);
    }
  }

  #drop(): void {
    if (this.#mode.name === "dragging") this.#listener.onDrop();
  }

  #go(mode: Mode): void {
    this.#mode = mode;
    this.#element.dataset.hand = mode.name;
  }

  /** The pointer stays ours outside of the window. */
  #capture(event: PointerEvent): void {
    try {
      this.#element.setPointerCapture(event.pointerId);
    } catch {
      // It was lifted in this very moment.
    }
  }

  #at(event: MouseEvent): Point {
    return { x: event.clientX - this.#corner.x, y: event.clientY - this.#corner.y };
  }

  /** Read when a hand comes, and not while it moves: asking makes the browser lay out. */
  #measure(): void {
    const { left, top } = this.#element.getBoundingClientRect();
    this.#corner = { x: left, y: top };
  }
}

function isField(target: EventTarget | null): target is HTMLTextAreaElement {
  return target instanceof HTMLTextAreaElement;
}

function scrolls(element: HTMLElement | null): boolean {
  return element !== null && element.scrollHeight > element.clientHeight + 1;
}

function noteAt(target: EventTarget | null): string | null {
  const note = target instanceof Element ? target.closest<HTMLElement>("[data-note]") : null;
  return note?.dataset.note ?? null;
}
