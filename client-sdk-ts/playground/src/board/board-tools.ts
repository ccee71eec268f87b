// The buttons of the board: what one does to notes above it, how one looks at it in its corner.

import { h } from "../element.js";
import { icons } from "../icons.js";
import { type Tool, toolbar } from "../toolbar.js";
import { ZOOM_STEP } from "./camera.js";
import type { BoardActions } from "./keys.js";
import { NOTE_COLORS, type NoteColor } from "./note.js";
import { swatch } from "./swatch.js";

export interface BoardState {
  canUndo(): boolean;
  canRedo(): boolean;
  canCreate(): boolean;
  /** Whether a note is chosen, and may be changed. */
  hasNote(): boolean;
  /** Of the note that is chosen, or of the next one. */
  color(): NoteColor;
  /** In the middle of the window: a pointer on a button points at no place for a note. */
  createInView(): void;
}

export function boardTools(actions: BoardActions, state: BoardState) {
  const color = (name: NoteColor, index: number): Tool => ({
    label: `${name[0]?.toUpperCase()}${name.slice(1)}`,
    keys: String(index + 1),
    icon: () => swatch(name),
    run: () => actions.recolor(name),
    isActive: () => state.color() === name,
  });
  return toolbar("Notes", [
    [
      {
        label: "Undo",
        keys: "Ctrl+Z",
        icon: icons.undo,
        run: actions.undo,
        isEnabled: state.canUndo,
      },
      {
        label: "Redo",
        keys: "Ctrl+Y",
        icon: icons.redo,
        run: actions.redo,
        isEnabled: state.canRedo,
      },
    ],
    [
      {
        label: "New note",
        keys: "N",
        icon: icons.newNote,
        run: state.createInView,
        isEnabled: state.canCreate,
      },
      {
        label: "Write in the note",
        keys: "Enter",
        icon: icons.pencil,
        run: () => actions.write(),
        isEnabled: state.hasNote,
      },
      {
        label: "Delete the note",
        keys: "Delete",
        icon: icons.bin,
        run: () => actions.remove(),
        isEnabled: state.hasNote,
      },
    ],
    NOTE_COLORS.map(color),
  ]);
}

export function zoomTools({
  zoomBy,
  zoomTo,
  fit,
}: Pick<BoardActions, "zoomBy" | "zoomTo" | "fit">) {
  const tools = toolbar("Zoom", [
    [
      {
        label: "Zoom out",
        keys: "-",
        icon: icons.minus,
        run: () => zoomBy(1 / ZOOM_STEP),
      },
      { label: "Zoom in", keys: "+", icon: icons.plus, run: () => zoomBy(ZOOM_STEP) },
      { label: "Show all notes", keys: "F", icon: icons.fit, run: fit },
    ],
  ]);
  const level = h("button", {
    type: "button",
    class: "zoom-level",
    title: "Full size (0)",
    "data-testid": "zoom",
    pointerdown: (event) => event.preventDefault(),
    click: () => zoomTo(1),
  });
  const show = (zoom: number) => {
    const percent = `${Math.round(zoom * 100)} %`;
    level.textContent = percent;
    level.ariaLabel = `Zoom ${percent}: show at full size`;
  };
  show(1);
  return { element: h("div", { class: "zoom" }, level, tools.element), show };
}
