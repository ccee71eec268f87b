// Asking before a page is closed with work that is nowhere else.

import type { Room } from "./room.js";

/**
 * While the room has unsaved changes, leaving the page asks whether that is meant. Returns the way to undo it. Nothing
 * listens while all is saved: a page that listens is kept out of the browser's back and forward cache.
 */
export function guardUnload(
  room: Pick<Room, "saved" | "on">,
  page: Pick<EventTarget, "addEventListener" | "removeEventListener"> | null = ambientPage(),
): () => void {
  if (page === null) return () => {};
  const ask = (event: globalThis.Event) => event.preventDefault();
  // To add it twice adds it once.
  const refresh = () => {
    if (room.saved.unsaved > 0) page.addEventListener("beforeunload", ask);
    else page.removeEventListener("beforeunload", ask);
  };
  const unsubscribe = [room.on("saved", refresh), room.on("destroy", () => release())];
  const release = () => {
    for (const each of unsubscribe) each();
    page.removeEventListener("beforeunload", ask);
  };
  refresh();
  return release;
}

function ambientPage(): EventTarget | null {
  return typeof window === "undefined" ? null : window;
}
