// The code: CodeMirror on the room's document, with the carets of others.

import { defaultKeymap, indentWithTab } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from "@codemirror/language";
import { Compartment, EditorState } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
  placeholder,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Room } from "@roomtone/core";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import { UndoManager } from "yjs";
import { h } from "./element.js";
import { icons } from "./icons.js";
import type { Roster } from "./roster.js";
import { toolbar } from "./toolbar.js";

/** The root of the document that holds the code. */
const TEXT = "code";

export function codeEditor(room: Room, roster: Roster) {
  const text = room.doc.getText(TEXT);
  const undoManager = new UndoManager(text);
  const writing = new Compartment();
  const view = new EditorView({
    state: EditorState.create({
      doc: text.toString(),
      extensions: [
        // Before the default keys: undo takes back one's own changes only, and CodeMirror's history is left out.
        keymap.of([...yUndoManagerKeymap, indentWithTab, ...defaultKeymap]),
        writing.of([]),
        lineNumbers(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        javascript(),
        syntaxHighlighting(colors),
        EditorView.lineWrapping,
        placeholder("// JavaScript, shared line by line"),
        EditorView.contentAttributes.of({
          "data-testid": "code",
          "aria-label": "Shared code, JavaScript. Escape and then Tab leaves the editor.",
        }),
        yCollab(text, roster.forEditor("code"), { undoManager }),
      ],
    }),
  });

  const act = (run: () => unknown) => () => {
    run();
    view.focus();
  };
  const tools = toolbar("Code", [
    [
      {
        label: "Undo",
        keys: "Ctrl+Z",
        icon: icons.undo,
        run: act(() => undoManager.undo()),
        isEnabled: () => undoManager.undoStack.length > 0,
      },
      {
        label: "Redo",
        keys: "Ctrl+Y",
        icon: icons.redo,
        run: act(() => undoManager.redo()),
        isEnabled: () => undoManager.redoStack.length > 0,
      },
    ],
  ]);
  for (const name of ["stack-item-added", "stack-item-popped"] as const)
    undoManager.on(name, tools.show);
  tools.show();

  return {
    element: h(
      "section",
      { class: "panel" },
      h(
        "div",
        { class: "toolbar-line" },
        tools.element,
        h("p", { class: "language" }, "JavaScript"),
      ),
      h("div", { class: "code-mount" }, view.dom),
    ),
    stopWriting: () =>
      view.dispatch({ effects: writing.reconfigure(EditorState.readOnly.of(true)) }),
    focus: () => view.focus(),
    close() {
      view.destroy();
      undoManager.destroy();
    },
  };
}

/** Colours are variables of the page, so that a change of theme needs no change here. */
const colors = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.propertyName)],
    color: "var(--code-function)",
  },
  { tag: [tags.typeName, tags.className], color: "var(--code-type)" },
  { tag: [tags.propertyName, tags.attributeName], color: "var(--code-property)" },
  { tag: [tags.operator, tags.punctuation], color: "var(--ink-2)" },
  { tag: tags.invalid, color: "var(--bad)" },
]);
