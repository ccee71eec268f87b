// A page with a room and its devtools, for the test in a browser. `?server=` says where the server is.

import { Room } from "@roomtone/core";
import "@roomtone/devtools";
import { Inspector } from "@roomtone/devtools/inspector";

declare global {
  interface Window {
    room: Room;
  }
}

const asked = new URL(location.href).searchParams;
const inspector = new Inspector();
const room = new Room({
  url: asked.get("server") ?? "",
  name: asked.get("room") ?? "room",
  transport: asked.get("transport") === "http" ? "http" : "websocket",
  environment: inspector.environment(),
});
const panel = document.createElement("roomtone-devtools");
panel.room = room;
panel.inspector = inspector;
panel.toggleAttribute("closable", true);
document.body.append(panel);

window.room = room;
