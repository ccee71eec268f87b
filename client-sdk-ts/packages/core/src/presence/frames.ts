// The moments at which a page is drawn.

/** A browser's `requestAnimationFrame`, or what a test has for it. */
export interface Frames {
  /** Runs this with the next frame. What it returns is given to `cancel`. */
  request(run: () => void): unknown;
  /** What was requested does not run. */
  cancel(frame: unknown): void;
}

/** The frames of this page. Where nothing is drawn (a server, say) there are none, and what waits for one never runs. */
export const pageFrames: Frames = {
  request: (run) =>
    typeof requestAnimationFrame === "undefined" ? null : requestAnimationFrame(() => run()),
  cancel: (frame) => {
    if (typeof frame === "number") cancelAnimationFrame(frame);
  },
};
