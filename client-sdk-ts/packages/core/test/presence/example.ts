// The example of presence in the README, here so that it is compiled. It is not run.

import type { Room } from "@roomtone/core";
import {
  cursorTracker,
  follow,
  presence,
  rangeOf,
  shareRange,
  trackPointer,
} from "@roomtone/core/presence";

declare const room: Room;
declare const board: HTMLElement;
declare const clientId: number;
declare function list(people: [name: string, color: string][]): void;
declare function drawCursor(x: number, y: number, color: string): void;
declare function drawSelection(range: { anchor: number; head: number } | null): void;
declare function moveTo(viewport: unknown): void;
declare function say(text: string): void;

// The rest stands in the README.

interface Shown {
  name: string;
  cursor?: { x: number; y: number } | null;
  selection?: unknown;
  viewport?: { x: number; y: number; zoom: number };
}

const people = presence<Shown>(room, { initial: { name: "Ada" } });
people.subscribe(() => list(people.others.map(({ state, color }) => [state.name, color])));

trackPointer(board, (cursor) => people.update({ cursor })); // leaves at most every 50 ms
const cursors = cursorTracker(people);
cursors.onFrame((all) => {
  for (const { x, y, other } of all) drawCursor(x, y, other.color);
});

const text = room.doc.getText("notes");
people.update({ selection: shareRange(text, 3, 8) }); // stays with these letters while others write
for (const { state } of people.others) drawSelection(rangeOf(text, state.selection)); // null: not in this text

const following = follow(people, clientId, (viewport) => moveTo(viewport), {
  onEnd: () => say("They left"),
});
// At the end:
following.stop();
cursors.destroy();
people.destroy();
