// The window onto the board: its camera, and the one loop in which everything that moves is drawn.

import { h } from "../element.js";
import {
  between,
  type Camera,
  centered,
  fitted,
  isNear,
  panned,
  pinched,
  revealed,
  toBoard,
  ZOOM_MAX,
  ZOOM_MIN,
  zoomedAt,
} from "./camera.js";
import { type Box, clamp, type Point, type Size } from "./geometry.js";
import { shareOf } from "./glide.js";

/** What moves on the stage. It only writes transforms, and reads nothing that makes the browser lay out. */
export interface Layer {
  /** `share`: the part of the way that what moves goes in this frame. Says whether anything is still under way. */
  paint(frame: Frame): boolean;
}

export interface Frame {
  readonly camera: Camera;
  /** Whether the camera is not where it was in the last frame. */
  readonly isCameraNew: boolean;
  readonly size: Size;
  readonly elapsedMs: number;
  readonly share: number;
}

/** Space around what is shown whole. */
const FIT_MARGIN = 48;
/** Space around what is brought into view. */
const REVEAL_MARGIN = 24;
/** How fast the camera follows a key or a button. */
const CAMERA_GLIDE_MS = 70;
/** A frame that took longer (a hidden page, say) moves no further than this. */
const FRAME_MS_MAX = 100;
/** The camera is still for this long: now things are drawn sharp at their new size. */
const SETTLE_MS = 180;
/** Distance of the dots on the ground, in pixels of the screen: from this to half of it, as one zooms. */
const DOTS_PX = 32;

export class Stage {
  readonly ground = h("div", { class: "board-ground", "aria-hidden": "true" });
  readonly plane = h("div", { class: "board-plane" });
  readonly overlay = h("div", { class: "board-overlay", "aria-hidden": "true" });
  readonly element: HTMLElement;
  #camera: Camera = { x: 0, y: 0, zoom: 1 };
  #goal: Camera = this.#camera;
  #drawn: Camera | null = null;
  #size: Size = { w: 0, h: 0 };
  #isShown = false;
  #layers: readonly Layer[] = [];
  #frame: number | null = null;
  #lastMs = 0;
  #settle: ReturnType<typeof setTimeout> | undefined;
  readonly #reduced = matchMedia("(prefers-reduced-motion: reduce)");
  readonly #sizes: ResizeObserver;
  readonly #onZoom: (zoom: number) => void;
  readonly #onResize: () => void;

  constructor(options: { readonly onZoom: (zoom: number) => void; readonly onResize: () => void }) {
    this.#onZoom = options.onZoom;
    this.#onResize = options.onResize;
    this.element = h(
      "div",
      {
        class: "board",
        tabindex: "0",
        role: "application",
        "aria-label": "Board of notes",
        "aria-describedby": "board-help",
        "data-testid": "board",
      },
      this.ground,
      this.plane,
      this.overlay,
    );
    this.#sizes = new ResizeObserver(([entry]) => {
      if (entry === undefined) return;
      const { width, height } = entry.contentRect;
      this.#isShown = width > 0 && height > 0;
      if (!this.#isShown) return;
      this.#size = { w: width, h: height };
      this.#onResize();
      this.request();
    });
    this.#sizes.observe(this.element);
  }

  set layers(layers: readonly Layer[]) {
    this.#layers = layers;
  }

  get camera(): Camera {
    return this.#camera;
  }

  /** In pixels of the screen. Nothing until it was first shown. */
  get size(): Size {
    return this.#size;
  }

  get center(): Point {
    return toBoard(this.#goal, { x: this.#size.w / 2, y: this.#size.h / 2 });
  }

  /** Draws in the next frame, if anybody can see it. */
  request(): void {
    if (this.#frame !== null || !this.#isShown) return;
    this.#lastMs = performance.now();
    this.#frame = requestAnimationFrame(this.#paint);
  }

  pan(dx: number, dy: number): void {
    this.#jump(panned(this.#goal, dx, dy));
  }

  /** As `pan`, for a key: it goes there and does not jump. */
  step(dx: number, dy: number): void {
    this.#go(panned(this.#goal, dx, dy));
  }

  zoomAt(screen: Point, factor: number): void {
    this.#jump(zoomedAt(this.#goal, screen, factor));
  }

  pinch(from: readonly [Point, Point], to: readonly [Point, Point]): void {
    this.#jump(pinched(this.#goal, from, to));
  }

  zoomBy(factor: number): void {
    this.#go(zoomedAt(this.#goal, { x: this.#size.w / 2, y: this.#size.h / 2 }, factor));
  }

  zoomTo(zoom: number): void {
    this.zoomBy(zoom / this.#goal.zoom);
  }

  /** `null`: there is nothing to look at, so the middle of the board. */
  fit(box: Box | null, isInstant = false): void {
    const camera =
      box === null
        ? centered({ x: 0, y: 0 }, this.#size, 1)
        : fitted(box, this.#size, Math.min(FIT_MARGIN, this.#size.w / 8));
    if (isInstant) this.#jump(camera);
    else this.#go(camera);
  }

  /** Brings the box into view. `zoomLeast`: and large enough. */
  reveal(box: Box, zoomLeast = ZOOM_MIN): void {
    const zoom = clamp(this.#goal.zoom, zoomLeast, ZOOM_MAX);
    const goal =
      zoom === this.#goal.zoom
        ? this.#goal
        : centered({ x: box.x + box.w / 2, y: box.y + box.h / 2 }, this.#size, zoom);
    this.#go(revealed(goal, box, this.#size, REVEAL_MARGIN));
  }

  close(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#isShown = false;
    clearTimeout(this.#settle);
    this.#sizes.disconnect();
  }

  #jump(camera: Camera): void {
    this.#goal = camera;
    this.#camera = camera;
    this.request();
  }

  #go(camera: Camera): void {
    if (this.#reduced.matches) {
      this.#jump(camera);
      return;
    }
    this.#goal = camera;
    this.request();
  }

  readonly #paint = (nowMs: number): void => {
    const elapsedMs = clamp(nowMs - this.#lastMs, 1, FRAME_MS_MAX);
    this.#lastMs = nowMs;
    this.#frame = null;
    if (this.#camera !== this.#goal) {
      const next = between(this.#camera, this.#goal, shareOf(elapsedMs, CAMERA_GLIDE_MS));
      this.#camera = isNear(next, this.#goal) ? this.#goal : next;
    }
    const isCameraNew = this.#camera !== this.#drawn;
    if (isCameraNew) this.#drawCamera();
    const frame = {
      camera: this.#camera,
      isCameraNew,
      size: this.#size,
      elapsedMs,
      share: this.#reduced.matches ? 1 : shareOf(elapsedMs),
    };
    let isMoving = this.#camera !== this.#goal;
    for (const layer of this.#layers) isMoving = layer.paint(frame) || isMoving;
    if (!isMoving || !this.#isShown || this.#frame !== null) return;
    this.#frame = requestAnimationFrame(this.#paint);
  };

  #drawCamera(): void {
    const { x, y, zoom } = this.#camera;
    this.plane.style.transform = `translate(${-x * zoom}px, ${-y * zoom}px) scale(${zoom})`;
    // The dots repeat, so the ground moves by less than one of them, and grows by less than twice.
    const scale = 2 ** (Math.log2(zoom) - Math.floor(Math.log2(zoom))) / 2;
    const dots = DOTS_PX * scale;
    const start = (length: number) => (((length % dots) + dots) % dots) - dots;
    this.ground.style.transform = `translate(${start(-x * zoom)}px, ${start(-y * zoom)}px) scale(${scale})`;
    // While it moves the browser draws from a picture, which is fast and not sharp.
    if (this.#drawn !== null) this.plane.toggleAttribute("data-moving", true);
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.plane.removeAttribute("data-moving"), SETTLE_MS);
    if (this.#drawn?.zoom !== zoom) this.#onZoom(zoom);
    this.#drawn = this.#camera;
  }
}
