// Who is here: in order, cleaned, and told only when something about somebody is new.

import { Room } from "@roomtone/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PALETTE } from "../src/person.js";
import { Roster } from "../src/roster.js";

let room: Room;
let roster: Roster;
beforeEach(() => {
  vi.useFakeTimers();
  const WebSocket = class {} as never;
  room = new Room({ url: "ws://far", name: "r", connect: false, environment: { WebSocket } });
  roster = new Roster(room, { name: "Ada", color: PALETTE[0] }, "document");
});
afterEach(() => {
  roster.close();
  room.destroy();
  vi.useRealTimers();
});

/** Some people's states arrive, as from the server. */
function arrive(states: Record<number, Record<string, unknown> | null>) {
  const { awareness } = room;
  const changes = { added: [] as number[], updated: [] as number[], removed: [] as number[] };
  for (const [key, state] of Object.entries(states)) {
    const id = Number(key);
    if (state === null) changes.removed.push(id);
    else if (awareness.states.has(id)) changes.updated.push(id);
    else changes.added.push(id);
    if (state === null) awareness.states.delete(id);
    else awareness.states.set(id, state);
  }
  awareness.emit("change", [changes, "network"]);
}

const names = () => roster.members.map(({ name }) => name);

test("oneself first, then by name; whoever leaves is gone", () => {
  arrive({ 7: { user: { name: "Grace" } }, 8: { user: { name: "Bob" } } });
  expect(names()).toEqual(["Ada", "Bob", "Grace"]);
  arrive({ 8: null });
  expect(names()).toEqual(["Ada", "Grace"]);
  expect(roster.member(8)).toBeNull();
});

test("what others wrote is cleaned", () => {
  arrive({
    7: { user: { name: "G\u202erace\n", color: "red;position:fixed" }, place: "nowhere" },
    8: { user: 7 },
  });
  expect(roster.member(7)).toMatchObject({ name: "G race", place: "document" });
  expect(PALETTE).toContain(roster.member(7)?.color);
  expect(roster.member(8)?.name).toBe("Someone");
});

test("cursors wake nobody; a name and a place do", () => {
  const state = { user: { name: "Grace", color: PALETTE[3] }, place: "board" };
  arrive({ 7: state });
  const told = vi.fn();
  roster.onChange(told);
  const { members } = roster;
  for (let x = 0; x < 100; x += 1) arrive({ 7: { ...state, board: { at: [x, 0] }, cursor: x } });
  expect(told).not.toHaveBeenCalled();
  expect(roster.members).toBe(members);
  arrive({ 7: { ...state, place: "code" } });
  expect(told).toHaveBeenCalledOnce();
  expect(roster.member(7)?.place).toBe("code");
});

test("of two with one colour the one with the higher id takes a free one", () => {
  const { clientID } = room.awareness;
  arrive({ [clientID + 1]: { user: { name: "Higher", color: PALETTE[0] } } });
  expect(roster.member(clientID)?.color).toBe(PALETTE[0]);
  arrive({ [clientID - 1]: { user: { name: "Lower", color: PALETTE[0] } } });
  expect(roster.member(clientID)?.color).toBe(PALETTE[1]);
});
