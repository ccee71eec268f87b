// The cursors of others over whatever they lie on. React renders who is there; where they are is drawn beside it.

import { type CursorTracker, cursorTracker, type Point, pointOf } from "@roomtone/core/presence";
import { type CSSProperties, type ReactNode, useCallback, useEffect, useRef } from "react";
import { useScope } from "./context.js";
import { useOthers } from "./people.js";
import { type NameOf, type Person, usePersonOf } from "./person.js";
import type { AppPresence } from "./register.js";

/** What `Cursors` shows, and how. */
export interface CursorsProps {
  /** Where somebody's cursor is; null if they have none at present. Default: `cursor`, if that is a point. */
  readonly cursorOf?: (shown: AppPresence) => Point | null | undefined;
  /** From what is shared to pixels from the upper left corner of the layer: where one may scroll or zoom. */
  readonly project?: (point: Point) => Point;
  readonly nameOf?: NameOf;
  readonly className?: string;
  readonly cursorClassName?: string;
  /** What is drawn for one person, with its origin at the point. Default: an arrow and the name. */
  readonly renderCursor?: (person: Person) => ReactNode;
}

const LAYER: CSSProperties = {
  position: "absolute",
  inset: 0,
  overflow: "hidden",
  pointerEvents: "none",
};

/** Not seen until it is known where it belongs. */
const CURSOR: CSSProperties = { position: "absolute", top: 0, left: 0, visibility: "hidden" };

/**
 * A layer over the nearest positioned ancestor. It is hidden from screen readers: what moves there all the time says
 * nothing that `AvatarStack` does not say better.
 */
export function Cursors(props: CursorsProps): ReactNode {
  const { cursorOf = statedCursor, project, nameOf, className, cursorClassName } = props;
  const { renderCursor = arrow } = props;
  const { presence, timing, onError } = useScope();
  const { personOf } = usePersonOf(nameOf);
  const people = useOthers((others) =>
    others.filter(({ state }) => hasCursor(state, cursorOf)).map(personOf),
  );

  const elements = useRef(new Map<number, HTMLElement>());
  const tracker = useRef<CursorTracker<AppPresence> | null>(null);
  const newest = useRef({ cursorOf, project });
  const place = useCallback(() => {
    for (const { other, x, y } of tracker.current?.sample() ?? []) {
      const element = elements.current.get(other.clientId);
      if (element === undefined) continue;
      const at = newest.current.project?.({ x, y }) ?? { x, y };
      element.style.transform = `translate(${at.x}px, ${at.y}px)`;
      element.style.visibility = "visible";
    }
  }, []);

  useEffect(() => {
    const made = cursorTracker(presence, {
      cursorOf: (shown) => newest.current.cursorOf(shown),
      environment: timing,
      onError,
      ...(prefersStillness() ? { lagMs: 0 } : {}),
    });
    tracker.current = made;
    made.onFrame(place);
    return () => {
      tracker.current = null;
      made.destroy();
    };
  }, [presence, timing, onError, place]);

  // After each rendering: somebody may be new, or the ground may have moved under all of them.
  useEffect(() => {
    newest.current = { cursorOf, project };
    place();
  });

  const hold = (clientId: number) => (element: HTMLElement | null) => {
    if (element === null) elements.current.delete(clientId);
    else elements.current.set(clientId, element);
  };
  return (
    <div className={className} style={LAYER} aria-hidden="true">
      {people.map((person) => (
        <div
          key={person.clientId}
          ref={hold(person.clientId)}
          className={cursorClassName}
          style={{ ...CURSOR, color: person.color }}
          data-client-id={person.clientId}
        >
          {renderCursor(person)}
        </div>
      ))}
    </div>
  );
}

function hasCursor(shown: AppPresence, cursorOf: Required<CursorsProps>["cursorOf"]): boolean {
  try {
    return pointOf(cursorOf(shown)) !== null;
  } catch {
    // The tracker asks the same, and tells.
    return false;
  }
}

function statedCursor(shown: object): Point | null {
  return pointOf((shown as { cursor?: unknown }).cursor);
}

function arrow({ name }: Person): ReactNode {
  return (
    <>
      <svg width="16" height="20" viewBox="0 0 16 20" aria-hidden="true">
        <path d="M1 1v15l4-4 3 7 3-1-3-7h6z" fill="currentColor" stroke="#fff" />
      </svg>
      <span>{name}</span>
    </>
  );
}

/** Those who asked their system for less motion see steps instead of a glide. */
function prefersStillness(): boolean {
  return globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
}
