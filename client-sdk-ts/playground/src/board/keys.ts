// The keys of the board.

import { ZOOM_STEP } from "./camera.js";
import { NOTE_COLORS, type NoteColor } from "./note.js";

export interface BoardActions {
  undo(): void;
  redo(): void;
  create(): void;
  /** These act on the note that is chosen. */
  write(): void;
  remove(): void;
  recolor(color: NoteColor): void;
  nudge(dx: number, dy: number): void;
  /** Leaves what one is in: the words for the note, the note for the board. */
  leave(): void;
  pan(dx: number, dy: number): void;
  zoomBy(factor: number): void;
  zoomTo(zoom: number): void;
  fit(): void;
  grab(isDown: boolean): void;
}

/** Pixels of the board that an arrow moves a note, and with Shift. */
const NUDGE_PX = 8;
const NUDGE_FAR_PX = 64;
/** Pixels of the screen that an arrow moves the ground. */
const PAN_PX = 80;

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Does what the key stands for. Says whether it stands for anything. */
export function pressKey(actions: BoardActions, event: KeyboardEvent): boolean {
  if (isUndoKey(event)) {
    if (isRedo(event)) actions.redo();
    else actions.undo();
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const target = event.target as Element;
  if (target instanceof HTMLTextAreaElement) {
    // The key that ends a composition is not meant for us.
    if (event.key !== "Escape" || event.isComposing) return false;
    actions.leave();
    return true;
  }
  const onNote = target.hasAttribute("data-note");
  const arrow = ARROWS[event.key];
  if (arrow !== undefined) {
    const [x, y] = arrow;
    const far = event.shiftKey ? NUDGE_FAR_PX : NUDGE_PX;
    if (onNote) actions.nudge(x * far, y * far);
    else actions.pan(-x * PAN_PX, -y * PAN_PX);
    return true;
  }
  if (onNote && pressOnNote(actions, event.key)) return true;
  switch (event.key) {
    case "n":
    case "N":
      actions.create();
      return true;
    case "+":
    case "=":
      actions.zoomBy(ZOOM_STEP);
      return true;
    case "-":
      actions.zoomBy(1 / ZOOM_STEP);
      return true;
    case "0":
      actions.zoomTo(1);
      return true;
    case "f":
    case "F":
      actions.fit();
      return true;
    case " ":
      actions.grab(true);
      return true;
    default:
      return false;
  }
}

export function releaseKey(actions: BoardActions, event: KeyboardEvent): void {
  if (event.key === " ") actions.grab(false);
}

function pressOnNote(actions: BoardActions, key: string): boolean {
  const color = NOTE_COLORS[Number(key) - 1];
  if (color !== undefined) {
    actions.recolor(color);
    return true;
  }
  switch (key) {
    case "Enter":
    case "F2":
      actions.write();
      return true;
    case "Delete":
    case "Backspace":
      actions.remove();
      return true;
    case "Escape":
      actions.leave();
      return true;
    default:
      return false;
  }
}

function isUndoKey({ ctrlKey, metaKey, altKey, key }: KeyboardEvent): boolean {
  return (ctrlKey || metaKey) && !altKey && /^[zy]$/i.test(key);
}

function isRedo({ shiftKey, key }: KeyboardEvent): boolean {
  return shiftKey || key.toLowerCase() === "y";
}
