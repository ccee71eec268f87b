// The page: one editor on one room, as the address says, and whether the room is connected and saved.
// For example ?editor=quill&server=ws://127.0.0.1:4000&room=notes&name=Ada

import { Room } from "@roomtone/core";
import type { Bind } from "./bind.js";
import "./page.css";

/** Each is loaded when it is asked for. */
const EDITORS: Record<string, () => Promise<{ bind: Bind }>> = {
  codemirror: () => import("./codemirror.js"),
  lexical: () => import("./lexical.js"),
  quill: () => import("./quill.js"),
  tiptap: () => import("./tiptap.js"),
};

const query = new URLSearchParams(location.search);
const load = EDITORS[query.get("editor") ?? ""];
if (load === undefined) throw new Error(`?editor= is one of ${Object.keys(EDITORS).join(", ")}`);

const { bind } = await load();
const room = new Room({ url: query.get("server") ?? "", name: query.get("room") ?? "" });
const connection = element("[data-testid=connection]");
const saved = element("[data-testid=saved]");
const show = () => {
  connection.textContent = room.synced ? "synced" : room.status;
  saved.textContent = room.saved.unsaved === 0 ? "saved" : "unsaved";
};
room.on("status", show);
room.on("sync", show);
room.on("saved", show);
show();

bind(room, element("#mount"), { name: query.get("name") ?? "", color: "#2563eb" });

function element(selector: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(selector);
  if (found === null) throw new Error(`The page has no ${selector}`);
  return found;
}
