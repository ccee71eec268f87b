// Lexical: @lexical/yjs takes the document, and the room as its provider.

import { registerPlainText } from "@lexical/plain-text";
import {
  type Binding,
  createUndoManager,
  createYjsBinding,
  initLocalState,
  type Provider,
  setLocalStateFocus,
  syncCursorPositions,
  syncLexicalUpdateToYjs,
  syncYjsChangesToLexical,
} from "@lexical/yjs";
import type { Room } from "@roomtone/core";
import {
  $createParagraphNode,
  $getRoot,
  BLUR_COMMAND,
  COMMAND_PRIORITY_EDITOR,
  createEditor,
  FOCUS_COMMAND,
  HISTORY_MERGE_TAG,
  type LexicalEditor,
  REDO_COMMAND,
  UNDO_COMMAND,
} from "lexical";
import { UndoManager } from "yjs";
import type { Bind, User } from "./bind.js";

const ID = "lexical";

export const bind: Bind = (room, mount, user) => {
  const content = document.createElement("div");
  content.contentEditable = "true";
  content.dataset.testid = "editor";
  const carets = document.createElement("div");
  mount.append(content, carets);

  const editor = createEditor({
    namespace: ID,
    theme: { collaboration: { cursor: "caret", cursorName: "caret-name" } },
    onError: (error) => {
      throw error;
    },
  });
  const binding = createYjsBinding({
    editor,
    id: ID,
    doc: room.doc,
    docMap: new Map([[ID, room.doc]]),
    rootName: ID,
  });
  binding.cursorsContainer = carets;
  // Lexical's type of a provider has the names of what it keeps in awareness, which no awareness of Yjs declares.
  const provider = room as unknown as Provider;

  keepInStep(editor, binding, provider);
  const undoManager = takeBack(editor, binding);
  showPeople(editor, binding, provider, user);
  registerPlainText(editor);
  editor.setRootElement(content);
  begin(editor, binding, room, undoManager);
};

/** What is typed goes into the document, and what comes in the document is shown. */
function keepInStep(editor: LexicalEditor, binding: Binding, provider: Provider): void {
  binding.root.getSharedType().observeDeep((events, { origin }) => {
    if (origin === binding) return;
    syncYjsChangesToLexical(binding, provider, events, origin instanceof UndoManager);
  });
  editor.registerUpdateListener((update) => {
    syncLexicalUpdateToYjs(
      binding,
      provider,
      update.prevEditorState,
      update.editorState,
      update.dirtyElements,
      update.dirtyLeaves,
      update.normalizedNodes,
      update.tags,
    );
  });
}

/** Undo belongs to the shared document, where it takes back one's own changes only. */
function takeBack(editor: LexicalEditor, binding: Binding): UndoManager {
  const manager = createUndoManager(binding, binding.root.getSharedType());
  for (const [command, run] of [
    [UNDO_COMMAND, () => manager.undo()],
    [REDO_COMMAND, () => manager.redo()],
  ] as const) {
    editor.registerCommand(
      command,
      () => {
        run();
        return true;
      },
      COMMAND_PRIORITY_EDITOR,
    );
  }
  return manager;
}

/** The carets of others, and whether one's own is to be shown to them. */
function showPeople(
  editor: LexicalEditor,
  binding: Binding,
  provider: Provider,
  { name, color }: User,
): void {
  initLocalState(provider, name, color, false, {});
  provider.awareness.on("update", () => syncCursorPositions(binding, provider));
  for (const [command, focused] of [
    [FOCUS_COMMAND, true],
    [BLUR_COMMAND, false],
  ] as const) {
    editor.registerCommand(
      command,
      () => {
        setLocalStateFocus(provider, name, color, focused, {});
        return false;
      },
      COMMAND_PRIORITY_EDITOR,
    );
  }
}

/** Lexical needs a paragraph to write in. Before the room has answered, nobody knows whether there is one. */
function begin(
  editor: LexicalEditor,
  binding: Binding,
  room: Room,
  undoManager: UndoManager,
): void {
  room.on("sync", (synced) => {
    if (!synced || !binding.root.isEmpty()) return;
    // At once, so that what it did to the document can be kept out of what undo takes back.
    editor.update(() => void $getRoot().append($createParagraphNode()), {
      discrete: true,
      tag: HISTORY_MERGE_TAG,
    });
    undoManager.clear();
  });
}
