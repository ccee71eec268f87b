// Others and oneself in components.

import { act } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import { useMyPresence, useOthers, usePresence, useUpdatePresence } from "../src/index.js";
import { counted, Stage } from "./stage.js";

interface Shown {
  readonly name: string;
  readonly cursor?: { readonly x: number; readonly y: number };
}

const initial = { name: "Me" };
let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});

test("others come, change and go", async () => {
  const { Counted, seen } = counted(() => useOthers<Shown>());
  stage.show(<Counted />);
  await stage.join();
  await stage.meet(2, { name: "Ada" });
  await stage.meet(3, { name: "Bob" });
  await stage.meet(2, { name: "Augusta" });
  await stage.meet(3, null);
  expect(seen.map((others) => others.map(({ state }) => state.name))).toEqual([
    [],
    ["Ada"],
    ["Ada", "Bob"],
    ["Augusta", "Bob"],
    ["Augusta"],
  ]);
  expect(seen[3]?.[1]).toBe(seen[2]?.[1]);
});

test("with a selector, a cursor that moves renders nothing", async () => {
  const { Counted, seen } = counted(() =>
    useOthers<string[], Shown>((others) => others.map(({ state }) => state.name)),
  );
  stage.show(<Counted />);
  await stage.join();
  await stage.meet(2, { name: "Ada" });
  for (let x = 0; x < 20; x += 1) await stage.meet(2, { name: "Ada", cursor: { x, y: 0 } });
  expect(seen).toEqual([[], ["Ada"]]);
});

test("all who came with one frame are one rendering", async () => {
  const { Counted, seen } = counted(() => useOthers((others) => others.length));
  stage.show(<Counted />);
  await stage.join();
  await act(async () => {
    for (let id = 2; id < 102; id += 1) stage.tell(id, { name: `${id}` });
  });
  expect(seen).toEqual([0, 100]);
});

test("one's own presence is seen here at once, and sent at most every 50 ms", async () => {
  const { Counted, seen } = counted(() => useMyPresence<Shown>());
  stage.show(<Counted />, { presence: { initial } });
  const socket = await stage.join();
  await stage.pass(50);
  socket.take();
  const update = seen[0]?.[1];
  for (const x of [1, 2, 3]) await act(async () => update?.({ cursor: { x, y: 0 } }));
  expect(seen.map(([me]) => me.cursor?.x)).toEqual([undefined, 1, 2, 3]);
  expect(new Set(seen.map(([, each]) => each)).size).toBe(1);
  expect(socket.take()).toHaveLength(1);
  await stage.pass(50);
  expect(socket.take()).toHaveLength(1);
  expect(stage.room.awareness.getLocalState()).toEqual({ name: "Me", cursor: { x: 3, y: 0 } });
});

test("who only shows something is not rendered by it, nor by others", async () => {
  const { Counted, seen } = counted(() => useUpdatePresence<Shown>());
  stage.show(<Counted />, { presence: { initial } });
  await stage.join();
  await act(async () => seen[0]?.({ cursor: { x: 1, y: 1 } }));
  await stage.meet(2, { name: "Ada" });
  expect(seen).toHaveLength(1);
});

test("what others show is read with the application's parse", async () => {
  const parse = (state: unknown) => {
    const { name } = state as { name?: unknown };
    return typeof name === "string" ? { name } : null;
  };
  const { Counted, seen } = counted(() => useOthers());
  stage.show(<Counted />, { presence: { initial, parse } });
  await stage.join();
  await stage.meet(2, { name: 7 });
  await stage.meet(3, { name: "Ada", junk: true });
  expect(seen.map((others) => others.map(({ state }) => state))).toEqual([[], [{ name: "Ada" }]]);
});

test("everybody below a provider has the same presence", () => {
  const first = counted(() => usePresence());
  const second = counted(() => usePresence());
  stage.show([<first.Counted key="1" />, <second.Counted key="2" />]);
  expect(first.seen).toEqual(second.seen);
});
