// Quill: y-quill takes the text and the room's awareness.

import Quill from "quill";
import QuillCursors from "quill-cursors";
import { QuillBinding } from "y-quill";
import type { Bind } from "./bind.js";
import "quill/dist/quill.core.css";

Quill.register("modules/cursors", QuillCursors);

export const bind: Bind = (room, mount, user) => {
  room.awareness.setLocalStateField("user", user);
  const quill = new Quill(mount, {
    // Undo takes back what was typed here: what others did is no change by the user.
    modules: { cursors: true, history: { userOnly: true } },
  });
  quill.root.dataset.testid = "editor";
  new QuillBinding(room.doc.getText("quill"), quill, room.awareness);
};
