// To look where somebody else looks, until they leave.

import * as fn from "lib0/function";
import { guard, type Report, reporter } from "../error.js";
import type { Presence } from "./presence.js";

/** What is followed, and what happens at the end. */
export interface FollowOptions<T, Viewport> {
  /** What somebody looks at; null if they do not say. Default: `state.viewport`. */
  readonly viewportOf?: (state: T) => Viewport | null | undefined;
  /** They have left. Not called after `stop()`. */
  readonly onEnd?: () => void;
  /** Is told what the callbacks throw. */
  readonly onError?: Report;
}

/** Somebody who is followed. */
export interface Following {
  readonly clientId: number;
  /** False as soon as it has ended, for whichever reason. */
  readonly active: boolean;
  /** Ends it. `onEnd` is not called. */
  stop(): void;
}

/**
 * Calls with the viewport of that client, at once and after each change of it. Two who follow each other come to rest,
 * because a viewport that is the same again is not told again. While the own connection is away nobody is seen: then it
 * waits, and ends only if they are not there when people are seen again.
 */
export function follow<T extends object, Viewport = unknown>(
  presence: Presence<T>,
  clientId: number,
  onViewport: (viewport: Viewport) => void,
  options: FollowOptions<T, Viewport> = {},
): Following {
  const report = reporter(options.onError);
  const viewportOf =
    options.viewportOf ?? ((state: T) => (state as { viewport?: Viewport }).viewport);
  let active = true;
  let last: Viewport | null = null;
  let seen: unknown = null;

  const stop = () => {
    active = false;
    unsubscribe();
  };
  const look = () => {
    if (!active) return;
    const other = presence.other(clientId);
    if (other === undefined) {
      const { status } = presence.host;
      if (status !== undefined && status !== "connected") {
        seen = presence.others;
        return;
      }
      // Only the own presence has changed since the connection is back.
      if (seen === presence.others) return;
      stop();
      guard(report, () => options.onEnd?.());
      return;
    }
    guard(report, () => {
      const viewport = viewportOf(other.state) ?? null;
      if (viewport === null || fn.equalityDeep(viewport, last)) return;
      last = viewport;
      onViewport(viewport);
    });
  };
  const unsubscribe = presence.subscribe(look);
  look();
  return {
    clientId,
    get active() {
      return active;
    },
    stop,
  };
}
