// Two short answers at the top of a room: is there a connection, and is the work saved?

import type { Refusal, Room, Saved, Transport } from "@roomtone/core";
import type { Offline } from "@roomtone/core/offline";
import { h } from "./element.js";

/** How long everything must stay saved before it says so, or the word would flicker with every key. */
const SAVED_SETTLE_MS = 400;

export type ConnectionState =
  | "connecting"
  | "syncing"
  | "connected"
  | "reconnecting"
  | "refused"
  | "disconnected";

const CONNECTION_TEXT: Record<ConnectionState, string> = {
  connecting: "Connecting…",
  syncing: "Loading…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  refused: "Not admitted",
  disconnected: "Switched off",
};

export function connectionText(state: ConnectionState): string {
  return CONNECTION_TEXT[state];
}

/** `wasConnected`: whether there ever was a connection, so that this is a return. */
export function connectionState(room: Room, wasConnected: boolean): ConnectionState {
  switch (room.status) {
    case "connected":
      return room.synced ? "connected" : "syncing";
    case "connecting":
      return wasConnected ? "reconnecting" : "connecting";
    case "refused":
    case "disconnected":
      return room.status;
  }
}

export function connectionPill() {
  const text = h("span", { class: "pill-text" });
  const element = h(
    "p",
    { class: "pill connection", "data-testid": "connection" },
    h("i", { class: "dot" }),
    text,
  );
  return {
    element,
    show(state: ConnectionState, transport: Transport | null) {
      element.dataset.state = state;
      element.dataset.transport = transport ?? "";
      element.title =
        transport === "http"
          ? "Connected over plain HTTP: something on the way lets no WebSocket pass"
          : CONNECTION_TEXT[state];
      text.textContent = CONNECTION_TEXT[state];
    },
  };
}

/** What this device's disk has of the document: all of it, not all of it yet, or nothing, ever. */
export type Keeping = "kept" | "keeping" | "nowhere";

export function keeping(offline: Offline | null): Keeping {
  switch (offline?.saved.state) {
    case "saved":
      return "kept";
    case "saving":
      return "keeping";
    default:
      return "nowhere";
  }
}

const KEEPING_TEXT: Record<Keeping, (changes: string) => string> = {
  kept: (changes) => `Offline: ${changes} kept on this device`,
  keeping: (changes) => `Offline: storing ${changes} on this device…`,
  nowhere: (changes) => `Offline: ${changes} kept in this tab`,
};

export function savedText({ state, unsaved }: Saved, kept: Keeping): string {
  const changes = changesText(unsaved);
  switch (state) {
    case "saved":
      return "Saved";
    case "saving":
      return `Saving… ${changes}`;
    case "offline":
      return KEEPING_TEXT[kept](changes);
  }
}

function changesText(count: number): string {
  return count === 1 ? "1 change" : `${count} changes`;
}

export function savedPill() {
  const text = h("span", { class: "pill-text" });
  const element = h(
    "p",
    { class: "pill saved", "data-testid": "saved" },
    h("i", { class: "dot" }),
    text,
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  const paintDenied = ({ unsaved }: Saved) => {
    element.dataset.state = "denied";
    element.dataset.unsaved = String(unsaved);
    text.textContent = unsaved === 0 ? "Read only" : `Read only: ${changesText(unsaved)} not taken`;
  };
  const paint = (saved: Saved, kept: Keeping) => {
    element.dataset.state = saved.state;
    element.dataset.unsaved = String(saved.unsaved);
    element.dataset.keeping = kept;
    element.title =
      saved.state === "saved"
        ? `Everything is on the server’s disk${saved.lastSavedAt === null ? "" : ` since ${new Date(saved.lastSavedAt).toLocaleTimeString()}`}`
        : savedText(saved, kept);
    text.textContent = savedText(saved, kept);
  };
  return {
    element,
    show(saved: Saved, kept: Keeping, isDenied: boolean) {
      clearTimeout(timer);
      if (isDenied) {
        paintDenied(saved);
        return;
      }
      // Late to say "saved", never early.
      if (saved.state === "saved" && element.dataset.state === "saving") {
        text.textContent = "Saving…";
        timer = setTimeout(() => paint(saved, kept), SAVED_SETTLE_MS);
      } else if (
        saved.state === "offline" &&
        kept === "kept" &&
        element.dataset.keeping === "keeping"
      ) {
        // The disk answers within a few milliseconds of each key.
        timer = setTimeout(() => paint(saved, kept), SAVED_SETTLE_MS);
      } else {
        paint(saved, kept);
      }
    },
    close: () => clearTimeout(timer),
  };
}

/** What a refusal means to the person in front of it. */
export function refusalText({ code }: Refusal): { title: string; advice: string } {
  switch (code) {
    case 4401:
      return {
        title: "This room asks for a valid key",
        advice:
          "The token in your link is missing, wrong or has expired. Ask whoever invited you for a new link.",
      };
    case 4403:
      return {
        title: "You are not admitted to this room",
        advice: "Your token is good, but not for this room. Ask whoever invited you to let you in.",
      };
    case 4404:
      return { title: "This room is gone", advice: "It was deleted. You can open another one." };
    case 4409:
      return {
        title: "This document was replaced",
        advice:
          "Your copy belongs to an older one. Copy what you still need from here, then reload the page.",
      };
    default:
      return {
        title: "The server ended the connection",
        advice:
          "It will not take the same request again. You can try once more, or open another room.",
      };
  }
}
