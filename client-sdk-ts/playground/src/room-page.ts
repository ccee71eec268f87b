// The page of one room: its bar, its two editors, its people, and what becomes of them as the connection changes.

import { Room } from "@roomtone/core";
import { serverUrl } from "./address.js";
import { Announcer } from "./announcer.js";
import { bar } from "./bar.js";
import { codeEditor } from "./code.js";
import { documentEditor } from "./document.js";
import { h } from "./element.js";
import type { Identity } from "./identity.js";
import { notice } from "./notice.js";
import { peoplePanel } from "./people.js";
import { Roster } from "./roster.js";
import { connectionState, connectionText, savedText } from "./state.js";
import { tabs } from "./tabs.js";

export interface RoomPage {
  readonly element: HTMLElement;
  close(): void;
}

export interface RoomPageOptions {
  readonly room: string;
  readonly token: string;
  readonly me: Identity;
  readonly onLeave: () => void;
}

/** How long the names at the carets stay after the last move. */
const NAMES_SHOW_MS = 4_000;

/** How long the first answer may take before the page says that it is waiting for one. */
const FIRST_ANSWER_MS_MAX = 5_000;

export function openRoom({ room: name, token, me, onLeave }: RoomPageOptions): RoomPage {
  const room = new Room({ url: serverUrl(), name, token });
  const roster = new Roster(room, me, "document");
  const announcer = new Announcer();

  const editors = {
    document: documentEditor(room, roster, me),
    code: codeEditor(room, roster),
  };
  const people = peoplePanel();
  const top = bar({ room: name, peopleButton: people.button, onLeave });
  const places = tabs([
    { place: "document", label: "Document", panel: editors.document.element },
    { place: "code", label: "Code", panel: editors.code.element },
  ]);
  const warning = notice({ onRetry: () => room.connect(), onLeave });

  places.onChange((place, entered) => {
    roster.moveTo(place);
    if (entered) editors[place].focus();
  });

  let wasConnected = false;
  /** Whether the first answer is overdue. */
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
    showConnection();
  }, FIRST_ANSWER_MS_MAX);
  /** Why the server takes nothing from us, once it has said so. */
  let denied: string | null = null;
  const showConnection = () => {
    wasConnected ||= room.synced;
    const state = connectionState(room, wasConnected);
    top.connection.show(state);
    if (room.refusal !== null) warning.showRefusal(room.refusal);
    else if (denied !== null) warning.showDenied(denied);
    else if (isLate && !wasConnected) warning.showUnreachable();
    else warning.hide();
    // A refusal after work was done leaves the work on the screen, to be copied.
    const isOutside = room.refusal !== null || isLate;
    element.dataset.outside = String(isOutside && !wasConnected && room.saved.unsaved === 0);
    element.dataset.synced = String(room.synced);
    announce();
  };
  const showSaved = () => {
    top.saved.show(room.saved, denied !== null);
    announce();
  };
  const announce = () => {
    const state = connectionState(room, wasConnected);
    announcer.say(
      `${connectionText(state)} ${state === "connecting" ? "" : savedText(room.saved)}`,
    );
  };
  let still: ReturnType<typeof setTimeout> | undefined;
  let shown = "";
  const showPeople = () => {
    const { members } = roster;
    // Something about somebody changed, most often a cursor: names show for a while.
    element.dataset.moving = "";
    clearTimeout(still);
    still = setTimeout(() => delete element.dataset.moving, NAMES_SHOW_MS);
    // Most changes are cursors. What is rebuilt under a finger loses its click.
    const key = JSON.stringify(members);
    if (key === shown) return;
    shown = key;
    people.show(members);
    places.show(members);
  };
  // Without a connection and with work that is nowhere else, closing the tab would lose it.
  const guard = (event: BeforeUnloadEvent) => {
    if (room.saved.unsaved > 0) event.preventDefault();
  };

  const element = h(
    "div",
    { class: "room" },
    h("a", { class: "skip", href: "#places" }, "Skip to the editor"),
    top.element,
    h(
      "main",
      { class: "room-main", id: "places", tabindex: "-1" },
      places.list,
      warning.element,
      ...places.panels,
    ),
    people.panel,
    announcer.element,
  );

  room.on("status", showConnection);
  room.on("sync", showConnection);
  room.on("saved", showSaved);
  room.on("denied", ({ reason }) => {
    denied = reason;
    for (const editor of Object.values(editors)) editor.stopWriting();
    showConnection();
    showSaved();
  });
  roster.onChange(showPeople);
  window.addEventListener("beforeunload", guard);
  showConnection();
  showSaved();
  showPeople();

  return {
    element,
    close() {
      window.removeEventListener("beforeunload", guard);
      clearTimeout(still);
      clearTimeout(late);
      announcer.close();
      top.saved.close();
      people.close();
      editors.document.close();
      editors.code.close();
      room.destroy();
    },
  };
}
