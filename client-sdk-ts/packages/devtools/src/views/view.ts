// One tab's inside: made once, drawn when it is seen.

import type { Room } from "@roomtone/core";
import type { Digest } from "../digest.js";
import type { Inspector } from "../inspector/inspector.js";
import type { RoomLog } from "../room-log.js";
import { h } from "../ui/element.js";

/** What there is to look at. */
export interface Scene {
  readonly room: Room | null;
  readonly roomLog: RoomLog;
  readonly inspector: Inspector | null;
  readonly digest: Digest | null;
  /** Milliseconds since 1970, as the room sees it. */
  readonly nowMs: number;
}

export interface View {
  readonly element: HTMLElement;
  /** At most four times a second, and only while it is seen. */
  draw(scene: Scene): void;
}

/** Says what is missing. */
export function hint(text: string): HTMLParagraphElement {
  return h("p", { class: "hint" }, text);
}

export const NO_INSPECTOR =
  "Nothing is recorded: give the room the environment of an Inspector, and this panel the inspector.";
export const NO_ROOM = "There is no room to look at.";

export function section(title: string, ...children: Node[]): HTMLElement {
  return h("section", {}, h("h2", {}, title), ...children);
}
