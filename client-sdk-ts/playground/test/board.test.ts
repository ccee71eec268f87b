// The board as a shared document: what two people do at the same time, and what undo takes back.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { Board, NOTES_COUNT_MAX } from "../src/board/board.js";
import { BOARD_REACH_MAX, NOTE_COLORS, NOTE_SIZE } from "../src/board/note.js";
import { Random } from "./random.js";

interface Person {
  readonly doc: Y.Doc;
  readonly board: Board;
}

function person(clientID: number): Person {
  const doc = new Y.Doc();
  doc.clientID = clientID;
  return { doc, board: new Board(doc) };
}

/** Both get what the other has. */
function exchange(...people: Person[]) {
  for (const from of people) {
    for (const to of people) {
      if (from === to) continue;
      const update = Y.encodeStateAsUpdate(from.doc, Y.encodeStateVector(to.doc));
      Y.applyUpdate(to.doc, update, "network");
    }
  }
}

function shown({ board }: Person) {
  return [...board.ids]
    .sort()
    .map((id) => board.note(id))
    .map((note) => note && { ...note, text: note.text.toString() });
}

function write({ board }: Person, id: string, index: number, insert: string, remove = 0) {
  const note = board.note(id);
  if (note !== null) board.write(note.text, { index, remove, insert });
}

function text({ board }: Person, id: string): string | undefined {
  return board.note(id)?.text.toString();
}

function create({ board }: Person, words = ""): string {
  board.beginStep();
  const id = board.create({ x: 0, y: 0 }, "yellow", words);
  board.beginStep();
  if (id === null) throw new Error("the board is full");
  return id;
}

/** Two people who both see one note. */
function pair(words = "") {
  const [ada, grace] = [person(1), person(2)];
  const id = create(ada, words);
  exchange(ada, grace);
  return { ada, grace, id };
}

describe("at the same time", () => {
  test("moving, colouring and writing all survive", () => {
    const { ada, grace, id } = pair("tide");
    ada.board.move(id, { x: 300, y: 40 });
    ada.board.recolor(id, "blue");
    write(grace, id, 4, " table");
    exchange(ada, grace);
    for (const each of [ada, grace]) {
      expect(each.board.note(id)).toMatchObject({ at: { x: 300, y: 40 }, color: "blue" });
      expect(text(each, id)).toBe("tide table");
    }
  });

  test("two who move one note leave it where one of them did", () => {
    for (const [first, second] of [
      [1, 2],
      [2, 1],
    ] as const) {
      const [ada, grace] = [person(first), person(second)];
      const id = create(ada);
      exchange(ada, grace);
      ada.board.move(id, { x: 100, y: 0 });
      ada.board.move(id, { x: 110, y: 0 });
      grace.board.move(id, { x: 0, y: 200 });
      exchange(ada, grace);
      const at = ada.board.note(id)?.at;
      expect([
        { x: 110, y: 0 },
        { x: 0, y: 200 },
      ]).toContainEqual(at);
      expect(grace.board.note(id)?.at).toEqual(at);
    }
  });

  test("deleted is deleted, whatever others do to it", () => {
    const { ada, grace, id } = pair("old");
    ada.board.remove(id);
    grace.board.move(id, { x: 5, y: 5 });
    write(grace, id, 3, " news");
    exchange(ada, grace);
    expect(ada.board.note(id)).toBeNull();
    expect(grace.board.note(id)).toBeNull();
  });

  test("two new notes are two, and the later one lies over the earlier", () => {
    const { ada, grace, id } = pair();
    const [a, b] = [create(ada), create(grace)];
    exchange(ada, grace);
    expect(new Set([...ada.board.ids])).toEqual(new Set([id, a, b]));
    const z = (note: string) => ada.board.note(note)?.z ?? Number.NaN;
    expect(z(a)).toBeGreaterThan(z(id));
    ada.board.raise(id);
    expect(z(id)).toBeGreaterThan(Math.max(z(a), z(b)));
    const before = Y.encodeStateVector(ada.doc);
    ada.board.raise(id);
    expect(Y.encodeStateVector(ada.doc)).toEqual(before);
  });
});

describe("undo", () => {
  test("a whole drag is one step, and a new step another", () => {
    const { ada, id } = pair();
    ada.board.beginStep();
    for (const x of [10, 20, 30]) ada.board.move(id, { x, y: 0 });
    ada.board.beginStep();
    ada.board.recolor(id, "pink");
    ada.board.undo();
    expect(ada.board.note(id)).toMatchObject({ at: { x: 30, y: 0 }, color: "yellow" });
    ada.board.undo();
    expect(ada.board.note(id)?.at).toEqual({ x: 0, y: 0 });
    ada.board.redo();
    ada.board.redo();
    expect(ada.board.note(id)).toMatchObject({ at: { x: 30, y: 0 }, color: "pink" });
  });

  test("takes back one's own changes only", () => {
    const { ada, grace, id } = pair();
    ada.board.beginStep();
    write(ada, id, 0, "mine ");
    exchange(ada, grace);
    write(grace, id, 5, "theirs");
    grace.board.move(id, { x: 9, y: 9 });
    exchange(ada, grace);
    ada.board.undo();
    exchange(ada, grace);
    expect(text(grace, id)).toBe("theirs");
    expect(grace.board.note(id)?.at).toEqual({ x: 9, y: 9 });
  });

  test("does not take back what another person has moved since", () => {
    const { ada, grace, id } = pair();
    ada.board.beginStep();
    ada.board.move(id, { x: 50, y: 0 });
    exchange(ada, grace);
    grace.board.move(id, { x: 70, y: 70 });
    exchange(ada, grace);
    ada.board.undo();
    exchange(ada, grace);
    expect(ada.board.note(id)?.at).toEqual({ x: 70, y: 70 });
  });

  test("a deleted note comes back with everybody's words, for everybody", () => {
    const { ada, grace, id } = pair("one ");
    write(grace, id, 4, "two");
    grace.board.move(id, { x: 30, y: 30 });
    exchange(ada, grace);
    ada.board.beginStep();
    ada.board.remove(id);
    exchange(ada, grace);
    expect(grace.board.note(id)).toBeNull();
    ada.board.undo();
    exchange(ada, grace);
    for (const each of [ada, grace]) {
      expect(text(each, id)).toBe("one two");
      expect(each.board.note(id)?.at).toEqual({ x: 30, y: 30 });
    }
    write(grace, id, 7, " three");
    exchange(ada, grace);
    expect(text(ada, id)).toBe("one two three");
  });

  test("a deleted note comes back where it was, also when somebody moved it at that moment", () => {
    const { ada, grace, id } = pair("kept");
    ada.board.move(id, { x: 40, y: 40 });
    exchange(ada, grace);
    ada.board.beginStep();
    ada.board.remove(id);
    grace.board.move(id, { x: 90, y: 90 });
    grace.board.recolor(id, "green");
    exchange(ada, grace);
    ada.board.undo();
    exchange(ada, grace);
    for (const each of [ada, grace]) {
      expect(each.board.note(id)).toMatchObject({ at: { x: 40, y: 40 }, color: "yellow" });
      expect(text(each, id)).toBe("kept");
    }
  });

  test("of making a note takes it away", () => {
    const ada = person(1);
    const id = create(ada);
    ada.board.undo();
    expect(ada.board.note(id)).toBeNull();
    ada.board.redo();
    expect(ada.board.note(id)).toMatchObject({ at: { x: 0, y: 0 }, color: "yellow" });
    expect(ada.board.canRedo).toBe(false);
  });

  test("of making a note leaves it when somebody else wrote in it", () => {
    const { ada, grace, id } = pair();
    ada.board.beginStep();
    write(ada, id, 0, "mine ");
    exchange(ada, grace);
    write(grace, id, 5, "theirs");
    exchange(ada, grace);
    while (ada.board.canUndo) ada.board.undo();
    exchange(ada, grace);
    for (const each of [ada, grace]) {
      expect(text(each, id)).toBe("theirs");
      expect(each.board.note(id)).toMatchObject({ at: { x: 0, y: 0 }, size: NOTE_SIZE });
    }
  });
});

describe("what another program wrote", () => {
  test.each([
    ["no map", 7],
    ["no text", new Y.Map([["at", [1, 2]]])],
    ["a text that is none", new Y.Map([["text", "words"]])],
  ])("%s is no note", (_, value) => {
    const { doc, board } = person(1);
    doc.getMap("board").set("odd", value);
    expect(board.note("odd")).toBeNull();
  });

  test("values that are none become usual ones", () => {
    const { doc, board } = person(1);
    const values: [string, unknown][] = [
      ["text", new Y.Text("words")],
      ["at", ["1", null]],
      ["size", [Number.NaN, 1]],
      ["color", "red; position: fixed"],
      ["z", "high"],
    ];
    doc.getMap("board").set("odd", new Y.Map(values));
    expect(board.note("odd")).toMatchObject({
      at: { x: 0, y: 0 },
      size: NOTE_SIZE,
      color: NOTE_COLORS[0],
      z: 0,
    });
  });

  test("values out of reach come within it", () => {
    const { doc, board } = person(1);
    const values: [string, unknown][] = [
      ["text", new Y.Text()],
      ["at", [1e12, -1e12]],
      ["size", [1e9, 0]],
    ];
    doc.getMap("board").set("far", new Y.Map(values));
    expect(board.note("far")).toMatchObject({
      at: { x: BOARD_REACH_MAX, y: -BOARD_REACH_MAX },
      size: { w: 800, h: 80 },
    });
  });
});

test("a full board takes no more notes", () => {
  const ada = person(1);
  ada.doc.transact(() => {
    for (let i = 0; i < NOTES_COUNT_MAX; i += 1) create(ada);
  });
  expect(ada.board.create({ x: 0, y: 0 }, "yellow")).toBeNull();
});

test("listeners are told which notes changed, and no longer when they are gone", () => {
  const { ada, grace, id } = pair("a");
  const told: string[][] = [];
  const unsubscribe = grace.board.subscribe((ids) => told.push([...ids]));
  write(ada, id, 1, "b");
  exchange(ada, grace);
  const other = create(ada);
  exchange(ada, grace);
  ada.board.move(other, { x: 3, y: 3 });
  ada.board.remove(id);
  exchange(ada, grace);
  expect(told).toEqual([[id], [other], expect.arrayContaining([id, other])]);
  unsubscribe();
  ada.board.remove(other);
  exchange(ada, grace);
  expect(told).toHaveLength(3);
});

test("whatever two people do, in whatever order it arrives, both see the same whole notes", () => {
  for (let seed = 0; seed < 200; seed += 1) live(new Random(seed), `seed ${seed}`);
});

function live(random: Random, name: string) {
  const people = [person(1), person(2)];
  const made = new Set<string>();
  for (let step = 0; step < 60; step += 1) {
    const who = random.pick(people);
    const { board } = who;
    const ids = [...board.ids];
    const id = random.pick(ids);
    const kind = random.below(12);
    if (kind < 2 || ids.length === 0) {
      made.add(create(who, random.pick(["", "word"])));
    } else if (kind < 4) {
      board.move(id, { x: random.below(500), y: random.below(500) });
    } else if (kind < 7) {
      const length = text(who, id)?.length ?? 0;
      const index = random.below(length + 1);
      const remove = random.below(Math.min(3, length - index) + 1);
      write(who, id, index, random.pick(["a", "bc", ""]), remove);
    } else if (kind === 7) {
      board.recolor(id, random.pick(NOTE_COLORS));
    } else if (kind === 8) {
      board.beginStep();
      board.remove(id);
      board.beginStep();
    } else if (kind === 9) {
      board.raise(id);
      board.beginStep();
    } else if (kind === 10) {
      if (random.below(4) > 0) board.undo();
      else board.redo();
    } else {
      exchange(...people);
    }
  }
  exchange(...people);
  const [ada, grace] = people as [Person, Person];
  expect(shown(grace), name).toEqual(shown(ada));
  for (const id of ada.board.ids) {
    expect(made, name).toContain(id);
    // Not only readable: no value was lost on the way.
    const note = ada.doc.getMap("board").get(id) as Y.Map<unknown>;
    expect([...note.keys()].sort(), `${name}, ${id}`).toEqual(["at", "color", "size", "text", "z"]);
  }
}
