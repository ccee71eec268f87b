// "Is it saved?", answered where people look for it.

import type { Saved } from "@roomtone/core";
import { type CSSProperties, type ReactNode, useEffect, useState } from "react";
import { useScope } from "./context.js";
import { useSaved } from "./room-state.js";

/** What `SavedIndicator` says, and how. */
export interface SavedIndicatorProps {
  readonly className?: string;
  /** What is said in each state. */
  readonly labels?: Partial<Record<Saved["state"], string>>;
  /** What is shown instead of the words. What is announced stays words. */
  readonly children?: (saved: Saved) => ReactNode;
}

/** Work that is kept from the server for this long is worth an interruption. */
export const ANNOUNCE_MS = 2_000;

const LABELS: Record<string, string> = {
  saved: "Saved",
  saving: "Saving…",
  offline: "Not saved: no connection",
};

/** For screen readers alone. */
const HEARD: CSSProperties = {
  position: "absolute",
  width: 1,
  height: 1,
  overflow: "hidden",
  clipPath: "inset(50%)",
  whiteSpace: "nowrap",
};

/**
 * What is seen is always the truth of the moment. What is heard is only that work waits without a connection, and that
 * it is saved after all: somebody who writes does not want to hear of each letter.
 */
export function SavedIndicator({ className, labels, children }: SavedIndicatorProps): ReactNode {
  const saved = useSaved();
  const labelOf = (state: Saved["state"]) => labels?.[state] ?? LABELS[state] ?? state;
  const heard = useHeard(saved.state);
  return (
    <span className={className} data-state={saved.state} data-unsaved={saved.unsaved}>
      {children === undefined ? <span>{labelOf(saved.state)}</span> : children(saved)}
      <span role="status" style={HEARD}>
        {heard === null ? "" : labelOf(heard)}
      </span>
    </span>
  );
}

/** The state to announce: being offline once it lasts, and then what it ends in. */
function useHeard(state: Saved["state"]): Saved["state"] | null {
  const { timing } = useScope();
  const [heard, setHeard] = useState<Saved["state"] | null>(null);
  const isDue =
    state === "offline" ? heard !== "offline" : state === "saved" && heard === "offline";
  useEffect(() => {
    if (!isDue) return;
    const timer = timing.setTimeout(() => setHeard(state), state === "offline" ? ANNOUNCE_MS : 0);
    return () => timing.clearTimeout(timer);
  }, [isDue, state, timing]);
  return heard;
}
