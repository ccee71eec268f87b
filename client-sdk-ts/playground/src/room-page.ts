// The page of one room: its bar, its places, its people, and what becomes of them as the connection changes.

import { Room } from "@roomtone/core";
import { attachOffline, type Offline } from "@roomtone/core/offline";
import { Inspector } from "@roomtone/devtools/inspector";
import { serverUrl } from "./address.js";
import { Announcer } from "./announcer.js";
import { bar } from "./bar.js";
import { boardEditor } from "./board/board-editor.js";
import { chatPanel } from "./chat/chat-panel.js";
import { codeEditor } from "./code.js";
import { devtoolsDrawer } from "./devtools-drawer.js";
import { documentEditor } from "./document.js";
import { h } from "./element.js";
import type { Identity } from "./identity.js";
import { networkPanel } from "./network-panel.js";
import { notice } from "./notice.js";
import { peoplePanel } from "./people.js";
import { Roster } from "./roster.js";
import { SimulatedNetwork } from "./simulated-network.js";
import { connectionState, connectionText, keeping, savedText } from "./state.js";
import { tabs } from "./tabs.js";
import { Throttle } from "./throttle.js";

export interface RoomPage {
  readonly element: HTMLElement;
  close(): void;
}

export interface RoomPageOptions {
  readonly room: string;
  readonly token: string;
  readonly me: Identity;
  /** What this device keeps of the document; null where it keeps nothing. It ends with the page. */
  readonly offline: Offline | null;
  readonly onLeave: () => void;
}

/** How long the names at the carets stay after the last move. */
const NAMES_SHOW_MS = 4_000;

/** People up to whom the names at carets show by themselves. */
const CARET_NAMES_COUNT_MAX = 24;

/** Shortest time between two drawings of the list of people. A crowd may come at once. */
const PEOPLE_INTERVAL_MS = 100;

/** How long the first answer may take before the page says that it is waiting for one. */
const FIRST_ANSWER_MS_MAX = 5_000;

export function openRoom(options: RoomPageOptions): RoomPage {
  const { room: name, token, me, offline, onLeave } = options;
  const network = new SimulatedNetwork(WebSocket);
  // From the first frame on: who opens the devtools wants to know what happened before.
  const inspector = new Inspector();
  const room = new Room({
    url: serverUrl(),
    name,
    token,
    environment: inspector.environment({ WebSocket: network.WebSocket, fetch: network.fetch }),
    ...(offline === null ? {} : { doc: offline.doc, epoch: offline.epoch }),
  });
  const detach = offline === null ? () => {} : attachOffline(room, offline);
  const roster = new Roster(room, me, "document");
  const announcer = new Announcer();

  const editors = {
    document: documentEditor(room, roster, me),
    code: codeEditor(room, roster),
    board: boardEditor(room, roster, announcer),
  };
  const people = peoplePanel();
  /** What stands beside the places, each opened by its button: a panel more is an entry more. */
  const sides = [people, chatPanel(room, roster, announcer)];
  const weather = networkPanel(room, network);
  const devtools = devtoolsDrawer(room, inspector);
  const top = bar({
    room: name,
    networkButton: weather.button,
    sideButtons: [...sides.map(({ button }) => button), devtools.button],
    onLeave,
  });
  const places = tabs([
    { place: "document", label: "Document", panel: editors.document.element },
    { place: "code", label: "Code", panel: editors.code.element },
    { place: "board", label: "Board", panel: editors.board.element },
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
    if (room.status === "connected") roster.identify(room.user);
    const state = connectionState(room, wasConnected);
    top.connection.show(state, room.transport);
    weather.show();
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
    top.saved.show(room.saved, keeping(offline), denied !== null);
    announce();
  };
  const announce = () => {
    const state = connectionState(room, wasConnected);
    announcer.say(
      `${connectionText(state)} ${state === "connecting" ? "" : savedText(room.saved, keeping(offline))}`,
    );
  };
  let still: ReturnType<typeof setTimeout> | undefined;
  /** A caret moved: names show for a while, unless there are so many that nothing else would be seen. */
  const showCarets = () => {
    if (roster.members.length > CARET_NAMES_COUNT_MAX) return;
    element.dataset.moving = "";
    clearTimeout(still);
    still = setTimeout(() => delete element.dataset.moving, NAMES_SHOW_MS);
  };
  const showPeople = new Throttle<void>(PEOPLE_INTERVAL_MS, () => {
    people.show(roster.members);
    places.show(roster.members);
  });
  // With work that is nowhere else, closing the tab would lose it.
  const guard = (event: BeforeUnloadEvent) => {
    if (room.saved.unsaved > 0 && keeping(offline) !== "kept") event.preventDefault();
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
    h("div", { class: "side" }, ...sides.map(({ panel }) => panel)),
    devtools.drawer,
    weather.panel,
    announcer.element,
  );

  room.on("status", showConnection);
  room.on("sync", showConnection);
  room.on("saved", showSaved);
  offline?.on("saved", showSaved);
  room.on("denied", ({ reason }) => {
    denied = reason;
    for (const editor of Object.values(editors)) editor.stopWriting();
    showConnection();
    showSaved();
  });
  roster.onChange(() => showPeople.push());
  roster.onCarets(showCarets);
  window.addEventListener("beforeunload", guard);
  showConnection();
  showSaved();
  showPeople.push();

  return {
    element,
    close() {
      window.removeEventListener("beforeunload", guard);
      clearTimeout(still);
      clearTimeout(late);
      announcer.close();
      top.saved.close();
      showPeople.cancel();
      weather.close();
      devtools.close();
      network.close();
      for (const side of sides) side.close();
      for (const editor of Object.values(editors)) editor.close();
      roster.close();
      detach();
      room.destroy();
      void offline?.destroy();
    },
  };
}
