// CodeMirror: y-codemirror.next takes the text and the room's awareness, and undo is the room's.

import { defaultKeymap } from "@codemirror/commands";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { undoOf } from "@roomtone/core";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import type { Bind } from "./bind.js";

export const bind: Bind = (room, mount, user) => {
  room.awareness.setLocalStateField("user", { ...user, colorLight: user.color });
  const text = room.doc.getText("codemirror");
  new EditorView({
    parent: mount,
    state: EditorState.create({
      doc: text.toString(),
      extensions: [
        keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
        EditorView.contentAttributes.of({ "data-testid": "editor" }),
        yCollab(text, room.awareness, { undoManager: undoOf(room, text) }),
      ],
    }),
  });
};
