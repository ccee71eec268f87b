// The page begins here: the first page, or a room, as the address says.

import "./styles/fonts.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/join.css";
import "./styles/room.css";
import "./styles/people.css";
import "./styles/document.css";
import "./styles/code.css";
import "./styles/board.css";
import "./styles/network.css";
import "./styles/chat.css";
import "./styles/devtools.css";
import { guestToken } from "@roomtone/core";
import { openOffline } from "@roomtone/core/offline";
import { readAddress, showRoom, showStart } from "./address.js";
import { identity, rememberedName } from "./identity.js";
import { joinPage, type Start } from "./join.js";
import { openRoom, type RoomPage } from "./room-page.js";
import { recall, remember, tab } from "./storage.js";

const app = document.getElementById("app") as HTMLElement;
let page: RoomPage | null = null;
/** How often a page was chosen: a room that was left while it was still being loaded does not open any more. */
let choices = 0;

function show(): void {
  choices += 1;
  page?.close();
  page = null;
  const { room, name, token } = readAddress();
  // Who gives both has decided, and who reloads is back where they were.
  if (room !== "" && (name !== "" || recall("room", tab) === room)) {
    void enter({ room, name: name || rememberedName() });
    return;
  }
  document.title = "Roomtone";
  const hasToken = token !== "";
  app.replaceChildren(
    joinPage({
      room,
      name: name || rememberedName(),
      hasToken,
      onJoin: (start) => void enter(start),
    }),
  );
}

async function enter({ room, name }: Start): Promise<void> {
  choices += 1;
  const choice = choices;
  const { token } = readAddress();
  remember("room", room, tab);
  showRoom(room);
  document.title = `${room} · Roomtone`;
  const me = identity(name);
  // What somebody sees by a token is not kept for whoever sits at this browser next.
  const offline = token === "" ? await openOffline({ name: room }) : null;
  if (choice !== choices) {
    void offline?.destroy();
    return;
  }
  page = openRoom({
    room,
    // Where a token is needed, this one is refused like none.
    token: token || guestToken(me.guest, name),
    me,
    offline,
    onLeave: leave,
  });
  app.replaceChildren(page.element);
}

function leave(): void {
  remember("room", "", tab);
  showStart();
  show();
}

window.addEventListener("popstate", show);
show();
