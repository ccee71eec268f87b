// Who is here and what they show: typed, throttled, read with care, and the same object until it changes.

import { afterEach, beforeEach, expect, test } from "vitest";
import type { Awareness } from "y-protocols/awareness";
import { Presence, presence, SEND_EVERY_MS } from "../../src/presence/index.js";
import { settled, World } from "../fakes.js";
import { Hall } from "./hall.js";

interface Shown {
  readonly name: string;
  readonly cursor?: { readonly x: number; readonly y: number } | undefined;
  readonly user?: { readonly id: string };
}

let hall: Hall;
beforeEach(() => {
  hall = new Hall();
});
afterEach(() => {
  hall.close();
  expect(hall.errors).toEqual([]);
});

/** How often an awareness has something to send. */
function sends(awareness: Awareness): () => number {
  let count = 0;
  awareness.on("update", (_change: unknown, origin: unknown) => {
    if (origin === "local") count += 1;
  });
  return () => count;
}

test("what one shows the other sees, and what is taken back is gone", () => {
  const ada = hall.presence<Shown>(hall.enter(1), { initial: { name: "Ada" } });
  const bob = hall.presence<Shown>(hall.enter(2), { initial: { name: "Bob" } });
  expect(ada.others.map(({ clientId, state }) => [clientId, state.name])).toEqual([[2, "Bob"]]);
  expect(bob.others.map(({ state }) => state)).toEqual([{ name: "Ada" }]);
  hall.clock.advance(SEND_EVERY_MS);
  ada.update({ cursor: { x: 1, y: 2 } });
  expect(bob.other(1)?.state).toEqual({ name: "Ada", cursor: { x: 1, y: 2 } });
  hall.clock.advance(SEND_EVERY_MS);
  ada.update({ cursor: undefined });
  expect(bob.other(1)?.state).toEqual({ name: "Ada" });
  ada.destroy();
  expect(bob.other(1)?.state).toEqual({});
});

test("what an editor shows in the same awareness is left alone", () => {
  const awareness = hall.enter(1);
  awareness.setLocalState({ cursor: "an editor's" });
  const ada = hall.presence<{ name: string; away?: boolean }>(awareness, {
    initial: { name: "Ada", away: true },
  });
  const { me } = ada;
  expect(awareness.getLocalState()).toEqual({ cursor: "an editor's", name: "Ada", away: true });
  awareness.setLocalStateField("cursor", "moved");
  expect(ada.me).toBe(me);
  hall.clock.advance(SEND_EVERY_MS);
  ada.update({ away: undefined });
  expect(awareness.getLocalState()).toEqual({ cursor: "moved", name: "Ada" });
  ada.destroy();
  expect(awareness.getLocalState()).toEqual({ cursor: "moved" });
});

test("a lone update leaves at once; of many the newest leaves every 50 ms", () => {
  const awareness = hall.enter(1);
  const ada = hall.presence<Shown>(awareness, { initial: { name: "Ada" } });
  hall.clock.advance(SEND_EVERY_MS);
  const count = sends(awareness);
  ada.update({ cursor: { x: 0, y: 0 } });
  expect(count()).toBe(1);
  for (let x = 1; x <= 100; x += 1) {
    hall.clock.advance(5);
    ada.update({ cursor: { x, y: 0 } });
    expect(ada.me.cursor?.x).toBe(x);
  }
  expect(count()).toBe(11);
  hall.clock.advance(SEND_EVERY_MS);
  expect(awareness.getLocalState()?.cursor).toEqual({ x: 100, y: 0 });
  hall.clock.advance(1_000);
  expect(count()).toBeLessThanOrEqual(12);
  expect(hall.clock.timers.size).toBe(0);
});

test("an update that brings nothing new is neither sent nor told", () => {
  const awareness = hall.enter(1);
  const ada = hall.presence<Shown>(awareness, { initial: { name: "Ada", cursor: { x: 1, y: 1 } } });
  hall.clock.advance(SEND_EVERY_MS);
  const count = sends(awareness);
  let told = 0;
  ada.subscribe(() => {
    told += 1;
  });
  const { me } = ada;
  ada.update({ cursor: { x: 1, y: 1 } });
  expect([count(), told]).toEqual([0, 0]);
  expect(ada.me).toBe(me);
});

test("others are the same objects until something in them changes", () => {
  const ada = hall.presence<Shown>(hall.enter(1), { initial: { name: "Ada" } });
  const bob = hall.enter(2);
  const eve = hall.enter(3);
  bob.setLocalState({ name: "Bob" });
  eve.setLocalState({ name: "Eve" });
  const [first, second] = ada.others;
  const { others } = ada;
  bob.setLocalState({ name: "Bob" });
  expect(ada.others).toBe(others);
  bob.setLocalState({ name: "Bobby" });
  expect(ada.others).not.toBe(others);
  expect(ada.others[0]).not.toBe(first);
  expect(ada.others[1]).toBe(second);
});

test("what parse leaves out of a state changes nothing", () => {
  const ada = hall.presence<{ name: string }>(hall.enter(1), {
    initial: { name: "Ada" },
    parse: (state) => ({ name: String((state as { name?: unknown }).name) }),
  });
  const bob = hall.enter(2);
  bob.setLocalState({ name: "Bob" });
  const { others } = ada;
  bob.setLocalState({ name: "Bob", cursor: 7 });
  expect(ada.others).toBe(others);
});

test("states that are no objects, and those that parse turns away, are left out until they make sense", () => {
  const parse = (state: unknown): Shown | null => {
    const { name } = state as { name?: unknown };
    return typeof name === "string" ? { name } : null;
  };
  const ada = hall.presence<Shown>(hall.enter(1), { initial: { name: "Ada" } });
  const strict = hall.presence<Shown>(hall.enter(2), { initial: { name: "Strict" }, parse });
  const stranger = hall.enter(3);
  for (const nonsense of [7, "text", [1], true]) {
    stranger.setLocalState(nonsense as unknown as Record<string, unknown>);
    expect(ada.other(3)).toBeUndefined();
  }
  stranger.setLocalState({ name: 5 });
  expect(ada.other(3)).toBeDefined();
  expect(strict.other(3)).toBeUndefined();
  stranger.setLocalState({ name: "Eve" });
  expect(strict.other(3)?.state).toEqual({ name: "Eve" });
  stranger.setLocalState({ name: null });
  expect(strict.other(3)).toBeUndefined();
});

test("a parse that throws leaves that one out, and is reported once a person", () => {
  const ada = hall.presence<Shown>(hall.enter(1), {
    initial: { name: "Ada" },
    parse: (state) => {
      const { name } = state as Shown;
      if (name === "Bob") throw new Error("no Bobs");
      return { name };
    },
  });
  const bob = hall.enter(2);
  const eve = hall.enter(3);
  eve.setLocalState({ name: "Eve" });
  for (let move = 0; move < 5; move += 1) bob.setLocalState({ name: "Bob", move });
  expect(ada.others.map(({ state }) => state.name)).toEqual(["Eve"]);
  expect(hall.errors.splice(0)).toEqual([new Error("no Bobs")]);
});

test("a listener that throws is reported, and the others still hear", () => {
  const ada = hall.presence<Shown>(hall.enter(1), { initial: { name: "Ada" } });
  let told = 0;
  ada.subscribe(() => {
    throw new Error("mine");
  });
  const unsubscribe = ada.subscribe(() => {
    told += 1;
  });
  ada.update({ name: "Augusta" });
  unsubscribe();
  ada.update({ name: "Ada" });
  expect(told).toBe(1);
  expect(hall.errors.splice(0)).toEqual([new Error("mine"), new Error("mine")]);
});

test("what cannot be written as JSON is refused, and does not stay", () => {
  const awareness = hall.enter(1);
  const ada = presence<{ value?: unknown }>({ awareness }, hall.around());
  expect(() => ada.update({ value: 1n })).toThrow(TypeError);
  expect(ada.me).toEqual({});
  expect(awareness.getLocalState()).toEqual({});
});

test("one's other tabs are marked, and share a colour", () => {
  const tab = hall.presence<Shown>(hall.enter(1), {
    initial: { name: "Ada", user: { id: "ada" } },
  });
  const second = hall.presence<Shown>(hall.enter(2), {
    initial: { name: "Ada", user: { id: "ada" } },
  });
  hall.presence<Shown>(hall.enter(3), { initial: { name: "Bob", user: { id: "bob" } } });
  expect(tab.others.map(({ userId, isMyself }) => [userId, isMyself])).toEqual([
    ["ada", true],
    ["bob", false],
  ]);
  expect(tab.other(2)?.color).toBe(tab.color);
  expect(second.color).toBe(tab.color);
  expect(tab.other(3)?.color).not.toBe(tab.color);
});

test("the user that the server names counts more than what this client says", () => {
  hall.presence<Shown>(hall.enter(1), { initial: { name: "Ada", user: { id: "ada" } } });
  const host = { awareness: hall.enter(2), user: "ada" };
  expect(presence(host, hall.around()).others.map(({ isMyself }) => isMyself)).toEqual([true]);
});

test("who says later who they are is marked from then on, and so is who is told by the server", () => {
  const ada = hall.presence<Shown>(hall.enter(1), {
    initial: { name: "Ada", user: { id: "ada" } },
  });
  const tab = hall.presence<Shown>(hall.enter(2), { initial: { name: "Ada" } });
  expect(tab.other(1)?.isMyself).toBe(false);
  tab.update({ user: { id: "ada" } });
  expect(tab.other(1)?.isMyself).toBe(true);
  expect(tab.color).toBe(ada.color);

  const host = { awareness: hall.enter(3), user: "" };
  const told = presence<Shown>(host, hall.around());
  expect(told.other(1)?.isMyself).toBe(false);
  host.user = "ada";
  hall.enter(4).setLocalState({ name: "Somebody" });
  expect(told.other(1)?.isMyself).toBe(true);
  expect(told.color).toBe(ada.color);
});

test("who hides stays hidden when it ends, and is seen again with the next update", () => {
  const awareness = hall.enter(1);
  const ada = hall.presence<Shown>(awareness, { initial: { name: "Ada" } });
  awareness.setLocalState(null);
  hall.clock.advance(SEND_EVERY_MS);
  ada.update({ name: "Augusta" });
  expect(awareness.getLocalState()).toEqual({ name: "Augusta" });
  awareness.setLocalState(null);
  ada.destroy();
  expect(awareness.getLocalState()).toBeNull();
});

test("a clock that is set back holds nothing up", () => {
  const awareness = hall.enter(1);
  const ada = hall.presence<Shown>(awareness, { initial: { name: "Ada" } });
  hall.clock.nowMs -= 3_600_000;
  ada.update({ name: "Augusta" });
  expect(awareness.getLocalState()).toEqual({ name: "Augusta" });
});

test("everybody sees the same colours, and the one they are told is their own", () => {
  const people = Array.from({ length: 9 }, (_, i) =>
    hall.presence<Shown>(hall.enter(1_000 + i * 7), { initial: { name: `${i}` } }),
  );
  const [first] = people;
  for (const [index, person] of people.entries()) {
    for (const { clientId, color } of person.others) {
      expect(color).toBe(clientId === 1_000 ? first?.color : first?.other(clientId)?.color);
    }
    expect(new Set(person.others.map(({ color }) => color)).add(person.color).size).toBe(9);
    if (index > 0) expect(first?.other(1_000 + index * 7)?.color).toBe(person.color);
  }
});

test("nothing is shown or heard before start and after destroy", () => {
  const awareness = hall.enter(1);
  const bob = hall.enter(2);
  const count = sends(awareness);
  const ada = new Presence<Shown>({ awareness }, { ...hall.around(), initial: { name: "Ada" } });
  bob.setLocalState({ name: "Bob" });
  expect(count()).toBe(0);
  expect(ada.me).toEqual({ name: "Ada" });
  let told = 0;
  ada.subscribe(() => {
    told += 1;
  });
  ada.start();
  expect(ada.others.map(({ state }) => state.name)).toEqual(["Bob"]);
  expect([count(), told]).toEqual([1, 1]);
  ada.update({ name: "Augusta" });
  ada.destroy();
  expect(hall.clock.timers.size).toBe(0);
  bob.setLocalState({ name: "Bobby" });
  ada.update({ name: "Nobody" });
  expect(ada.others.map(({ state }) => state.name)).toEqual(["Bob"]);
  expect(awareness.getLocalState()).toEqual({});
  expect(told).toBe(2);
});

test("over a room: people go with the connection and are back with it, and leaving the room ends it", async () => {
  const world = new World();
  const room = world.room();
  const shown = presence<Shown>(room, {
    initial: { name: "Ada" },
    environment: world.environment,
  });
  const socket = await world.open();
  expect(socket.take().map(({ type }) => type)).toEqual(["hello", "join", "awareness"]);
  world.clock.advance(SEND_EVERY_MS);
  shown.update({ cursor: { x: 1, y: 1 } });
  shown.update({ cursor: { x: 2, y: 2 } });
  expect(socket.take().map(({ type }) => type)).toEqual(["awareness"]);
  room.destroy();
  shown.update({ name: "Ghost" });
  world.clock.advance(1_000);
  await settled();
  expect(world.errors).toEqual([]);
  expect(room.awareness.getLocalState()).toBeNull();
});
