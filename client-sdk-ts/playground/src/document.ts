// The rich text: Tiptap on the room's document, with the carets of others.

import type { Room } from "@roomtone/core";
import { Editor } from "@tiptap/core";
import { Collaboration } from "@tiptap/extension-collaboration";
import { CollaborationCaret } from "@tiptap/extension-collaboration-caret";
import { Placeholder } from "@tiptap/extensions";
import { StarterKit } from "@tiptap/starter-kit";
import { h } from "./element.js";
import { icons } from "./icons.js";
import type { Identity } from "./identity.js";
import { personOf } from "./person.js";
import type { Roster } from "./roster.js";
import { type Tool, toolbar } from "./toolbar.js";

/** The root of the document that holds the rich text. */
const FRAGMENT = "document";

export function documentEditor(room: Room, roster: Roster, me: Identity) {
  const mount = h("div", { class: "page" });
  const editor = new Editor({
    element: mount,
    extensions: [
      // Undo belongs to the shared document, where it takes back one's own changes only.
      StarterKit.configure({ undoRedo: false, link: { openOnClick: false } }),
      Placeholder.configure({
        placeholder: "Start writing. Everyone in this room sees it as you type.",
      }),
      Collaboration.configure({ document: room.doc, field: FRAGMENT }),
      CollaborationCaret.configure({
        provider: { awareness: roster.forEditor("document") },
        user: { name: me.name, color: me.color },
        render: caret,
      }),
    ],
    editorProps: {
      attributes: {
        "data-testid": "editor",
        role: "textbox",
        "aria-multiline": "true",
        "aria-label": "Shared document",
        spellcheck: "true",
      },
    },
  });

  const run = (act: (chain: ReturnType<Editor["chain"]>) => ReturnType<Editor["chain"]>) => () => {
    act(editor.chain().focus()).run();
  };
  const tools = toolbar("Formatting", documentTools(editor, run));
  editor.on("transaction", tools.show);
  tools.show();

  return {
    element: h("section", { class: "panel" }, tools.element, h("div", { class: "scroll" }, mount)),
    stopWriting: () => editor.setEditable(false),
    focus: () => void editor.commands.focus(),
    close: () => editor.destroy(),
  };
}

type Run = (act: (chain: ReturnType<Editor["chain"]>) => ReturnType<Editor["chain"]>) => () => void;

function documentTools(editor: Editor, run: Run): Tool[][] {
  const heading = (level: 1 | 2 | 3, icon: Tool["icon"]): Tool => ({
    label: `Heading ${level}`,
    keys: `Ctrl+Alt+${level}`,
    icon,
    run: run((chain) => chain.toggleHeading({ level })),
    isActive: () => editor.isActive("heading", { level }),
  });
  const style = (
    label: string,
    keys: string,
    name: string,
    icon: Tool["icon"],
    act: Parameters<Run>[0],
  ): Tool => ({ label, keys, icon, run: run(act), isActive: () => editor.isActive(name) });

  return [
    [
      {
        label: "Undo",
        keys: "Ctrl+Z",
        icon: icons.undo,
        run: run((chain) => chain.undo()),
        isEnabled: () => editor.can().undo(),
      },
      {
        label: "Redo",
        keys: "Ctrl+Y",
        icon: icons.redo,
        run: run((chain) => chain.redo()),
        isEnabled: () => editor.can().redo(),
      },
    ],
    [heading(1, icons.heading1), heading(2, icons.heading2), heading(3, icons.heading3)],
    [
      style("Bold", "Ctrl+B", "bold", icons.bold, (chain) => chain.toggleBold()),
      style("Italic", "Ctrl+I", "italic", icons.italic, (chain) => chain.toggleItalic()),
      style("Strikethrough", "Ctrl+Shift+S", "strike", icons.strike, (chain) =>
        chain.toggleStrike(),
      ),
      style("Code", "Ctrl+E", "code", icons.code, (chain) => chain.toggleCode()),
    ],
    [
      style("Bullet list", "Ctrl+Shift+8", "bulletList", icons.bullets, (chain) =>
        chain.toggleBulletList(),
      ),
      style("Numbered list", "Ctrl+Shift+7", "orderedList", icons.numbers, (chain) =>
        chain.toggleOrderedList(),
      ),
      style("Quote", "Ctrl+Shift+B", "blockquote", icons.quote, (chain) =>
        chain.toggleBlockquote(),
      ),
      style("Code block", "Ctrl+Alt+C", "codeBlock", icons.codeBlock, (chain) =>
        chain.toggleCodeBlock(),
      ),
    ],
  ];
}

/** Another person's caret, with the name as text. */
function caret(user: Record<string, unknown>): HTMLElement {
  const { name, color } = personOf(0, { user });
  const label = h("span", { class: "caret-name" }, name);
  label.style.background = color;
  // The name is not part of the text: it is neither read out nor copied.
  const element = h(
    "span",
    { class: "caret", "aria-hidden": "true", "data-testid": "caret" },
    label,
  );
  element.style.borderColor = color;
  element.style.setProperty("--person", color);
  return element;
}
