// Tiptap: its extensions take the document, and the room as their provider.

import { Editor } from "@tiptap/core";
import { Collaboration } from "@tiptap/extension-collaboration";
import { CollaborationCaret } from "@tiptap/extension-collaboration-caret";
import { StarterKit } from "@tiptap/starter-kit";
import type { Bind } from "./bind.js";

export const bind: Bind = (room, mount, user) => {
  new Editor({
    element: mount,
    extensions: [
      // Undo belongs to the shared document, where it takes back one's own changes only.
      StarterKit.configure({ undoRedo: false }),
      Collaboration.configure({ document: room.doc, field: "tiptap" }),
      CollaborationCaret.configure({ provider: room, user: { ...user } }),
    ],
    editorProps: { attributes: { "data-testid": "editor" } },
  });
};
