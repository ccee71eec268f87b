// The example of the README, so that it compiles.

import { Room } from "@roomtone/core";
import { Inspector } from "@roomtone/devtools/inspector";

const inspector = new Inspector();
export const room = new Room({
  url: "wss://collab.example.org",
  name: "minutes-2026-07",
  environment: inspector.environment(),
});

export async function openDevtools(): Promise<void> {
  await import("@roomtone/devtools"); // defines <roomtone-devtools>
  const panel = document.createElement("roomtone-devtools");
  panel.room = room;
  panel.inspector = inspector;
  panel.toggleAttribute("closable", true);
  panel.addEventListener("close", () => panel.remove());
  document.body.append(panel);
}
