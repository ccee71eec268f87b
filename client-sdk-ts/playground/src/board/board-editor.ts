// The board: its tools, its window, and what hands and keys on it do to the shared notes.

import type { Room } from "@roomtone/core";
import type { Announcer } from "../announcer.js";
import { h } from "../element.js";
import type { Roster } from "../roster.js";
import { toast } from "../toast.js";
import { Board, NOTES_COUNT_MAX } from "./board.js";
import { boardTools, zoomTools } from "./board-tools.js";
import { toBoard } from "./camera.js";
import { EdgePan } from "./edge-pan.js";
import type { Point } from "./geometry.js";
import { Gestures } from "./gestures.js";
import { type BoardActions, pressKey, releaseKey } from "./keys.js";
import { Mover } from "./mover.js";
import { NOTE_SIZE, type NoteColor } from "./note.js";
import type { NoteView } from "./note-view.js";
import { NotesLayer } from "./notes-layer.js";
import { Others } from "./others.js";
import { MyPresence } from "./presence.js";
import { Stage } from "./stage.js";
import { Writing } from "./writing.js";

/** With less than this nobody sees what they write. */
const WRITING_ZOOM_MIN = 0.7;
/** A note that would lie exactly on another goes aside by this. */
const ASIDE_PX = 24;

const HELP =
  "N makes a note. Tab goes from note to note, the arrows move it, Enter writes in it, 1 to 6 colour it, Delete removes it, Escape leaves it. Plus, minus and 0 zoom, F shows all.";

export function boardEditor(room: Room, roster: Roster, announcer: Announcer) {
  const board = new Board(room.doc);
  const presence = new MyPresence(room.awareness);
  const message = toast();
  const zoom = zoomTools({
    zoomBy: (factor) => actions.zoomBy(factor),
    zoomTo: (value) => actions.zoomTo(value),
    fit: () => actions.fit(),
  });
  const stage = new Stage({ onZoom: zoom.show, onResize: () => onResize() });
  const layer = new NotesLayer(board, stage.plane);
  const draw = () => stage.request();
  const others = new Others(room.awareness, roster, stage.overlay, {
    draw,
    onWriters: (writers) => layer.showWriters(writers),
  });
  const edge = new EdgePan((dx, dy) => {
    stage.pan(dx, dy);
    onCamera();
  });
  stage.layers = [edge, layer, others.cursors];
  const mover = new Mover(board, layer, { draw, onNudged: (id) => tellPlace(id) });
  const writing = new Writing(board, (id) => {
    presence.write(id);
    if (id !== null) look(layer.view(id), WRITING_ZOOM_MIN);
  });

  /** The note that tools and keys act on. */
  let chosen: string | null = null;
  let nextColor: NoteColor = "yellow";
  /** Where one's pointer is in the window. */
  let pointer: Point | null = null;
  /** From the corner of the note that one drags to the hand, on the board. */
  let hold: Point = { x: 0, y: 0 };
  /** Whether the camera was ever moved: from then on it is one's own. */
  let hasLooked = false;
  let isReadOnly = false;
  let isUndoing = false;
  /** Whether the message offers to take back a step, which only holds for the last one. */
  let isUndoOffered = false;

  const choose = (id: string | null) => {
    if (id === chosen) return;
    const last = layer.view(chosen);
    if (last !== null) last.isSelected = false;
    chosen = id;
    const view = layer.view(id);
    if (view !== null) view.isSelected = true;
    tools.show();
  };
  const look = (view: NoteView | null, zoomLeast?: number) => {
    if (view === null || stage.size.w === 0) return;
    hasLooked = true;
    stage.reveal(view.box, zoomLeast);
  };
  const lookAround = () => {
    if (hasLooked || stage.size.w === 0) return;
    stage.fit(layer.bounds, true);
    hasLooked = layer.count > 0;
  };
  const onResize = () => {
    lookAround();
    // The keyboard of a phone came, and may stand before the note.
    look(layer.view(writing.id));
  };
  const point = (at: Point | null) => {
    pointer = at;
    presence.point(at === null ? null : toBoard(stage.camera, at));
  };
  /** The ground moved away under the pointer. */
  const onCamera = () => {
    hasLooked = true;
    point(pointer);
    if (edge.hand !== null) dragTo(edge.hand);
  };
  const dragTo = (at: Point) => {
    const hand = toBoard(stage.camera, at);
    mover.drag({ x: hand.x - hold.x, y: hand.y - hold.y });
  };
  const tellPlace = (id: string) => {
    const at = board.note(id)?.at;
    if (at !== undefined) announcer.tell(`Moved to ${at.x}, ${at.y}`);
  };
  const stepBack = (run: () => void, words: string) => {
    mover.end();
    isUndoing = true;
    try {
      run();
    } finally {
      isUndoing = false;
    }
    announcer.tell(words);
  };
  const create = (at: Point, words = "", color = nextColor) => {
    if (isReadOnly) return;
    mover.end();
    // One looks at the place already, also when it is the first note of all.
    hasLooked = true;
    board.beginStep();
    const id = board.create(freePlace(at), color, words);
    board.beginStep();
    const view = layer.view(id);
    if (view === null) {
      announcer.tell(`The board is full: it holds ${NOTES_COUNT_MAX} notes.`);
      return;
    }
    choose(view.id);
    writing.begin(view);
  };
  const freePlace = ({ x, y }: Point): Point => {
    let at = { x: Math.round(x - NOTE_SIZE.w / 2), y: Math.round(y - NOTE_SIZE.h / 2) };
    const isTaken = () => layer.order.some(({ note }) => note.at.x === at.x && note.at.y === at.y);
    while (isTaken()) at = { x: at.x + ASIDE_PX, y: at.y + ASIDE_PX };
    return at;
  };

  const actions: BoardActions = {
    undo: () => {
      if (board.canUndo && !isReadOnly) stepBack(() => board.undo(), "Undone");
    },
    redo: () => {
      if (board.canRedo && !isReadOnly) stepBack(() => board.redo(), "Done again");
    },
    create: () => create(pointer === null ? stage.center : toBoard(stage.camera, pointer)),
    write() {
      const view = layer.view(chosen);
      if (view === null || isReadOnly) return;
      mover.end();
      writing.begin(view);
    },
    remove() {
      const view = layer.view(chosen);
      if (view === null || isReadOnly) return;
      const order = layer.order;
      const at = order.indexOf(view);
      const neighbour = order[at + 1] ?? order[at - 1];
      const hadFocus = view.element.contains(document.activeElement);
      mover.end();
      writing.end();
      board.beginStep();
      board.remove(view.id);
      board.beginStep();
      if (hadFocus) (neighbour?.element ?? stage.element).focus({ preventScroll: true });
      message.show("Note deleted.", "Undo", actions.undo);
      isUndoOffered = true;
      announcer.tell("Note deleted. Control Z brings it back.");
    },
    recolor(color) {
      nextColor = color;
      if (chosen !== null && !isReadOnly) {
        board.beginStep();
        board.recolor(chosen, color);
        board.beginStep();
        announcer.tell(color);
      }
      tools.show();
    },
    nudge(dx, dy) {
      if (chosen === null || isReadOnly) return;
      mover.nudge(chosen, dx, dy);
      look(layer.view(chosen));
    },
    leave() {
      const id = writing.id;
      if (id !== null) {
        writing.end();
        layer.view(id)?.element.focus({ preventScroll: true });
        return;
      }
      choose(null);
      stage.element.focus({ preventScroll: true });
    },
    pan(dx, dy) {
      stage.step(dx, dy);
      onCamera();
    },
    zoomBy(factor) {
      stage.zoomBy(factor);
      onCamera();
    },
    zoomTo(value) {
      stage.zoomTo(value);
      onCamera();
    },
    fit() {
      stage.fit(layer.bounds);
      onCamera();
    },
    grab: (isDown) => {
      gestures.isSpaceDown = isDown;
    },
  };

  const tools = boardTools(actions, {
    canUndo: () => board.canUndo && !isReadOnly,
    canRedo: () => board.canRedo && !isReadOnly,
    canCreate: () => !board.isFull && !isReadOnly,
    hasNote: () => layer.view(chosen) !== null && !isReadOnly,
    color: () => layer.view(chosen)?.note.color ?? nextColor,
    createInView: () => create(stage.center),
  });

  const gestures = new Gestures(stage.element, {
    onTap(id) {
      choose(id);
      const view = layer.view(id);
      if (view !== null && writing.id === id) return;
      (view?.element ?? stage.element).focus({ preventScroll: true });
    },
    onDoubleTap(id, at) {
      const view = layer.view(id);
      if (view === null) create(toBoard(stage.camera, at));
      else if (!isReadOnly) writing.begin(view);
    },
    onGrab(id, at) {
      if (isReadOnly || !mover.begin(id)) return false;
      choose(id);
      const hand = toBoard(stage.camera, at);
      const corner = board.note(id)?.at ?? hand;
      hold = { x: hand.x - corner.x, y: hand.y - corner.y };
      return true;
    },
    onDrag(at) {
      point(at);
      dragTo(at);
      edge.hand = at;
    },
    onDrop() {
      edge.hand = null;
      mover.end();
    },
    onPan(dx, dy) {
      stage.pan(dx, dy);
      onCamera();
    },
    onPinch(from, to) {
      stage.pinch(from, to);
      onCamera();
    },
    onZoom(at, factor) {
      stage.zoomAt(at, factor);
      onCamera();
    },
    onPoint: point,
  });

  const empty = h("p", { class: "board-empty", "data-testid": "board-empty" }, emptyText());
  const sync = (ids: Iterable<string>) => {
    const mine = writing.id;
    const words = writing.words;
    for (const view of layer.sync(ids)) {
      if (view.id === chosen) choose(null);
      if (view.id !== mine) continue;
      writing.end();
      stage.element.focus({ preventScroll: true });
      // One's own words are not gone because somebody else cleaned up.
      if (isUndoing || words.trim() === "") continue;
      const { at, color } = view.note;
      const back = { x: at.x + NOTE_SIZE.w / 2, y: at.y + NOTE_SIZE.h / 2 };
      const text = "Somebody deleted the note that you were writing in.";
      message.show(text, "Put it back", () => create(back, words, color));
      isUndoOffered = false;
      announcer.tell(text);
    }
    writing.refresh();
    others.tellWriters();
    empty.hidden = layer.count > 0;
    lookAround();
    tools.show();
    draw();
  };

  const panel = h(
    "section",
    {
      class: "panel board-panel",
      keydown: (event) => {
        // The buttons have keys of their own.
        const isInside = stage.element.contains(event.target as Node);
        const key = event as KeyboardEvent;
        if ((isInside || key.ctrlKey || key.metaKey) && pressKey(actions, key))
          event.preventDefault();
      },
      keyup: (event) => releaseKey(actions, event as KeyboardEvent),
      focusin: (event) => {
        const target = event.target as HTMLElement;
        const id = target.dataset.note;
        if (id === undefined) return;
        choose(id);
        // Who comes by the keyboard may not see it. A pointer is where it points.
        if (target.matches(":focus-visible")) look(layer.view(id));
      },
      focusout: () => actions.grab(false),
    },
    tools.element,
    h(
      "div",
      { class: "board-window" },
      stage.element,
      empty,
      message.element,
      zoom.element,
      h("p", { class: "spoken", id: "board-help" }, HELP),
    ),
  );

  const unsubscribe = board.subscribe(sync);
  board.onHistory(() => {
    tools.show();
    if (isUndoOffered) message.hide();
    isUndoOffered = false;
  });
  sync(board.ids);

  return {
    element: panel,
    stopWriting() {
      isReadOnly = true;
      mover.end();
      writing.end();
      tools.show();
    },
    focus: () => stage.element.focus({ preventScroll: true }),
    close() {
      unsubscribe();
      writing.end();
      mover.end();
      gestures.close();
      presence.close();
      others.close();
      layer.close();
      stage.close();
      board.close();
      message.hide();
    },
  };
}

function emptyText(): string {
  return matchMedia("(pointer: coarse)").matches
    ? "Double-tap anywhere for the first note."
    : "Double-click anywhere, or press N, for the first note.";
}
