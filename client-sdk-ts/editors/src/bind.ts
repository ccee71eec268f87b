// What every editor here offers: itself on a room, with nothing between the two.

import type { Room } from "@roomtone/core";

/** Who writes, as bindings show it beside the caret. */
export interface User {
  readonly name: string;
  readonly color: string;
}

/** Puts the editor into `mount`. What is written in carries `data-testid="editor"`. */
export type Bind = (room: Room, mount: HTMLElement, user: User) => void;
