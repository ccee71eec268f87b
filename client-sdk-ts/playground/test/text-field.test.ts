// A field and a shared text stay the same, and carets stay where they belong.

import { beforeEach, describe, expect, test } from "vitest";
import * as Y from "yjs";
import { type Field, TextField } from "../src/board/text-field.js";
import { Random } from "./random.js";

/** As much of a textarea as the binding uses. */
class FakeField extends EventTarget {
  value = "";
  readOnly = false;
  selectionStart = 0;
  selectionEnd = 0;
  selectionDirection: "forward" | "backward" | "none" = "none";

  setSelectionRange(start: number, end: number): void {
    this.selectionStart = start;
    this.selectionEnd = end;
  }

  /** What a person does: the caret goes behind what was typed. */
  type(text: string, from = this.selectionStart, to = this.selectionEnd): void {
    this.value = this.value.slice(0, from) + text + this.value.slice(to);
    this.setSelectionRange(from + text.length, from + text.length);
    this.dispatchEvent(new Event("input"));
  }
}

function bind(text: Y.Text) {
  const field = new FakeField();
  const binding = new TextField(field as unknown as Field, text, ({ index, remove, insert }) => {
    text.doc?.transact(() => {
      if (remove > 0) text.delete(index, remove);
      if (insert !== "") text.insert(index, insert);
    }, "field");
  });
  return { field, binding };
}

let doc: Y.Doc;
let text: Y.Text;
beforeEach(() => {
  doc = new Y.Doc();
  text = doc.getText("text");
});

describe("the field", () => {
  test("shows what is in the text, and what others write", () => {
    text.insert(0, "tide");
    const { field } = bind(text);
    expect(field.value).toBe("tide");
    text.insert(4, " table");
    expect(field.value).toBe("tide table");
  });

  test("tells others what is typed, and no more", () => {
    text.insert(0, "one three");
    const { field } = bind(text);
    const deltas: unknown[] = [];
    text.observe((event) => deltas.push(event.delta));
    field.type("two ", 4, 4);
    field.type("", 0, 4);
    expect(text.toString()).toBe("two three");
    expect(deltas).toEqual([[{ retain: 4 }, { insert: "two " }], [{ delete: 4 }]]);
  });

  test("keeps caret and selection on their letters while others write", () => {
    text.insert(0, "one two three");
    const { field } = bind(text);
    field.setSelectionRange(4, 7);
    text.insert(0, "zero ");
    expect(field.value.slice(field.selectionStart, field.selectionEnd)).toBe("two");
    text.insert(text.length, " four");
    expect(field.value.slice(field.selectionStart, field.selectionEnd)).toBe("two");
    text.delete(0, 5);
    expect([field.selectionStart, field.selectionEnd]).toEqual([4, 7]);
  });

  test("two who write at one place do not mix their words", () => {
    const far = new Y.Doc();
    const farText = far.getText("text");
    doc.on("update", (update: Uint8Array) => Y.applyUpdate(far, update));
    far.on("update", (update: Uint8Array) => Y.applyUpdate(doc, update));
    const [here, there] = [bind(text).field, bind(farText).field];
    for (let i = 0; i < 5; i += 1) {
      here.type("a");
      there.type("b");
    }
    expect(here.value).toBe(there.value);
    expect(["aaaaabbbbb", "bbbbbaaaaa"]).toContain(here.value);
  });

  test("puts the caret where one's own step back happened", () => {
    const undo = new Y.UndoManager(text, { trackedOrigins: new Set(["field"]), captureTimeout: 0 });
    const { field } = bind(text);
    field.type("one ");
    field.type("two");
    field.setSelectionRange(0, 0);
    undo.undo();
    expect(field.value).toBe("one ");
    expect(field.selectionEnd).toBe(4);
    field.setSelectionRange(0, 0);
    undo.redo();
    expect(field.value).toBe("one two");
    expect(field.selectionEnd).toBe(7);
  });

  test("a closed one neither listens nor writes", () => {
    const { field, binding } = bind(text);
    binding.close();
    text.insert(0, "x");
    field.type("y");
    expect(field.value).toBe("y");
    expect(text.toString()).toBe("x");
  });

  test.each([
    ["a picture", () => text.insertEmbed(0, { src: "x" })],
    ["a carriage return", () => text.insert(0, "a\r\nb")],
  ])("%s that another program put into the text makes it read only", (_, put) => {
    const { field } = bind(text);
    put();
    expect(field.readOnly).toBe(true);
    const before = text.toString();
    field.type("z");
    expect(text.toString()).toBe(before);
  });
});

describe("a word that is put together", () => {
  test("is told when it is done, and nothing changes under it", () => {
    text.insert(0, "ab");
    const { field } = bind(text);
    field.setSelectionRange(1, 1);
    field.dispatchEvent(new Event("compositionstart"));
    field.type("に");
    text.insert(0, "far ");
    field.type("日本", 1, 2);
    expect(field.value).toBe("a日本b");
    expect(text.toString()).toBe("far ab");
    field.dispatchEvent(new Event("compositionend"));
    expect(text.toString()).toBe("far a日本b");
    expect(field.value).toBe("far a日本b");
    expect(field.selectionEnd).toBe("far a日本".length);
  });

  test("that came to nothing shows what others wrote, with the caret where it was", () => {
    text.insert(0, "ab");
    const { field } = bind(text);
    field.setSelectionRange(1, 1);
    field.dispatchEvent(new Event("compositionstart"));
    text.insert(0, "far ");
    field.dispatchEvent(new Event("compositionend"));
    expect(field.value).toBe("far ab");
    expect(field.selectionEnd).toBe(5);
  });
});

test("whatever two people type, fields and texts end the same", () => {
  const random = new Random(4);
  for (let round = 0; round < 100; round += 1) {
    const docs = [new Y.Doc(), new Y.Doc()] as const;
    const texts = docs.map((each) => each.getText("text"));
    const fields = texts.map((each) => bind(each).field);
    for (let step = 0; step < 30; step += 1) {
      const who = random.below(2);
      const field = fields[who] as FakeField;
      if (random.below(4) === 0) {
        const from = docs[who] as Y.Doc;
        const to = docs[1 - who] as Y.Doc;
        Y.applyUpdate(to, Y.encodeStateAsUpdate(from, Y.encodeStateVector(to)));
      } else {
        const at = random.below(field.value.length + 1);
        const end = Math.min(field.value.length, at + random.below(3));
        field.type(random.pick(["a", "bb", "", "\n"]), at, end);
      }
      expect(field.value).toBe(texts[who]?.toString());
    }
    for (const [from, to] of [docs, [docs[1], docs[0]] as const]) {
      Y.applyUpdate(to, Y.encodeStateAsUpdate(from, Y.encodeStateVector(to)));
    }
    expect(fields[0]?.value).toBe(fields[1]?.value);
    expect(texts[0]?.toString()).toBe(texts[1]?.toString());
    expect(fields[0]?.value).toBe(texts[0]?.toString());
  }
});
