// Shared types in components: rendered when what was selected changes, and not otherwise.

import { act } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import * as Y from "yjs";
import { useArray, useMap, useText } from "../src/index.js";
import { counted, Stage } from "./stage.js";

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});

const map = () => stage.room.doc.getMap<unknown>("m");
const list = () => stage.room.doc.getArray<unknown>("l");
const text = () => stage.room.doc.getText("t");
const change = (run: () => void) => act(async () => run());

test("a map, a list and a text as plain values, with the changes of all", async () => {
  const { Counted, seen } = counted(() => [useMap("m"), useArray("l"), useText("t")]);
  stage.show(<Counted />);
  expect(seen).toEqual([[{}, [], ""]]);
  await change(() =>
    stage.room.doc.transact(() => {
      map().set("a", 1);
      list().push([new Y.Map([["deep", true]])]);
      text().insert(0, "hi");
    }),
  );
  expect(seen.slice(1)).toEqual([[{ a: 1 }, [{ deep: true }], "hi"]]);
  await stage.edit((doc) => doc.getText("t").insert(2, "!"));
  expect(seen.at(-1)?.[2]).toBe("hi!");
  expect(seen).toHaveLength(3);
});

test("with a selector, changes of anything else render nothing", async () => {
  const { Counted, seen } = counted(() => useMap("m", (m) => m.get("title")));
  stage.show(<Counted />);
  await change(() => map().set("title", "A"));
  await change(() => map().set("other", 1));
  await change(() => map().set("title", "A"));
  await change(() => text().insert(0, "elsewhere"));
  expect(seen).toEqual([undefined, "A"]);
});

test("a selection that is equal is the same, although it was made anew", async () => {
  const { Counted, seen } = counted(() =>
    useArray("l", (l) => ({ count: l.length, odd: l.toArray().map((n) => Number(n) % 2 === 1) })),
  );
  stage.show(<Counted />);
  await change(() => list().push([1, 2]));
  await change(() =>
    stage.room.doc.transact(() => {
      list().delete(0, 2);
      list().push([3, 4]);
    }),
  );
  expect(seen).toEqual([
    { count: 0, odd: [] },
    { count: 2, odd: [true, false] },
  ]);
  stage.show(<Counted />);
  expect(seen).toHaveLength(3);
  expect(seen[2]).toBe(seen[1]);
});

test("what has not changed inside of a snapshot keeps its identity", async () => {
  const { Counted, seen } = counted(() => useMap<Record<string, unknown>>("m"));
  stage.show(<Counted />);
  await change(() => {
    map().set("a", new Y.Map([["x", 1]]));
    map().set("b", new Y.Map([["y", 1]]));
  });
  await change(() => (map().get("b") as Y.Map<number>).set("y", 2));
  const [before, after] = seen.slice(-2);
  expect(after).toEqual({ a: { x: 1 }, b: { y: 2 } });
  expect(after?.a).toBe(before?.a);
  expect(after?.b).not.toBe(before?.b);
});

test("a selector runs no more often than there is something to select", async () => {
  let runs = 0;
  const select = (t: Y.Text) => {
    runs += 1;
    return t.length;
  };
  const { Counted, seen } = counted(() => useText("t", select));
  stage.show(<Counted />);
  // Once to render, and once because something may have happened before the mount.
  expect(runs).toBe(2);
  await change(() => text().insert(0, "abc"));
  expect([runs, seen]).toEqual([3, [0, 3]]);
});

test("a selector may depend on what is rendered", async () => {
  let key = "a";
  const { Counted, seen } = counted(() => useMap("m", (m) => m.get(key)));
  stage.show(<Counted />);
  await change(() => {
    map().set("a", 1);
    map().set("b", 2);
  });
  key = "b";
  stage.show(<Counted />);
  await change(() => map().set("b", 3));
  expect(seen).toEqual([undefined, 1, 2, 3]);
});

test("a type itself instead of a name, also a nested one, and another one later", async () => {
  stage.show(null);
  const [first, second] = [new Y.Text("first"), new Y.Text("second")];
  list().push([first, second]);
  let type = first;
  const { Counted, seen } = counted(() => useText(type));
  stage.show(<Counted />);
  await change(() => first.insert(5, "!"));
  type = second;
  stage.show(<Counted />);
  await change(() => first.insert(0, "unheard "));
  expect(seen).toEqual(["first", "first!", "second"]);
});

test("a change between the rendering and the mount is not missed", async () => {
  const { Counted, seen } = counted(() => useText("t"));
  function Early() {
    // A sibling that is rendered after it, and writes before anything is mounted.
    if (text().length === 0) text().insert(0, "early");
    return null;
  }
  stage.show(
    <>
      <Counted />
      <Early />
    </>,
  );
  expect(seen.at(-1)).toBe("early");
});

test("whoever is unmounted is no longer listening", async () => {
  const { Counted, seen } = counted(() => useText("t"));
  stage.show(<Counted />);
  const { doc } = stage.room;
  const observers = () => (doc.getText("t") as unknown as { _dEH: { l: unknown[] } })._dEH.l.length;
  expect(observers()).toBe(1);
  stage.show(null);
  expect(observers()).toBe(0);
  await change(() => text().insert(0, "x"));
  expect(seen).toEqual([""]);
});

test("a key that is __proto__ is a key like others", async () => {
  const { Counted, seen } = counted(() => useMap<unknown>("m"));
  stage.show(<Counted />);
  await change(() => map().set("a", JSON.parse('{"__proto__":{"polluted":1},"n":1}')));
  await change(() => map().set("a", JSON.parse('{"__proto__":{"polluted":1},"n":2}')));
  expect(JSON.stringify(seen.at(-1)?.a)).toBe('{"__proto__":{"polluted":1},"n":2}');
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});
