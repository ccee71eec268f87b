// How a room connects, comes back, and stays away.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { BACKOFF_MS_MAX, backoffMs, STABLE_MS_MIN } from "../src/backoff.js";
import { verdict } from "../src/close.js";
import {
  AUTHORIZE_MS_MAX,
  CONNECT_MS_MAX,
  PROBE_MS_MAX,
  SILENCE_MS_MAX,
} from "../src/connection.js";
import * as wire from "../src/wire.js";
import { settled, World } from "./fakes.js";

const EMPTY_UPDATE = new Uint8Array([0, 0]);

describe("the address", () => {
  const cases: [string, string, string | undefined, string][] = [
    ["ws://host:1", "room", undefined, "ws://host:1/yjs/room"],
    ["https://host/", "room", undefined, "wss://host/yjs/room"],
    ["http://host/below//", "a/b c?#é", undefined, "ws://host/below/yjs/a%2Fb%20c%3F%23%C3%A9"],
    ["wss://host", "room", "a b&c", "wss://host/yjs/room?token=a%20b%26c"],
    ["wss://host", "room", "", "wss://host/yjs/room"],
  ];
  test.each(cases)("%s, %s, token %s", async (url, name, token, expected) => {
    const world = new World();
    world.room({ url, name, ...(token === undefined ? {} : { token }) });
    await settled();
    expect(world.socket.url).toBe(expected);
  });
});

describe("the backoff", () => {
  test("is anything between nothing and a ceiling that doubles up to 30 s", () => {
    expect([0, 1, 2, 5, 6, 60].map((attempt) => backoffMs(attempt, () => 0.999999))).toEqual([
      499, 999, 1999, 15999, 29999, 29999,
    ]);
    expect([0, 6, 60].map((attempt) => backoffMs(attempt, () => 0))).toEqual([0, 0, 0]);
  });

  test("grows with each failed attempt, and says when the next will be", async () => {
    const world = new World();
    const room = world.room();
    const delays: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await settled();
      world.socket.end(1006);
      delays.push((room.retryAt ?? 0) - world.clock.nowMs);
      expect(room.status).toBe("connecting");
      world.retry(room);
    }
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 15000, 15000]);
  });

  test("starts again after a connection that lasted, not after one that only opened", async () => {
    const world = new World();
    const room = world.room();
    const delay = () => (room.retryAt ?? 0) - world.clock.nowMs;
    await settled();
    world.socket.end(1006);
    world.retry(room);
    (await world.open()).end(1009);
    expect(delay()).toBe(500);
    world.retry(room);
    const socket = await world.open();
    world.clock.advance(STABLE_MS_MIN);
    socket.end(1012);
    expect(delay()).toBe(250);
  });
});

describe("what a close asks for", () => {
  test.each([
    [1000, "again"],
    [1006, "again"],
    [1009, "again"],
    [1012, "again"],
    [1013, "again"],
    [4205, "again"],
    [4399, "again"],
    [4400, "never"],
    [4401, "renew"],
    [4403, "never"],
    [4404, "never"],
    [4408, "again"],
    [4409, "never"],
    [4499, "never"],
    [4500, "again"],
  ])("%i: %s", (code, expected) => {
    expect(verdict(code)).toBe(expected);
  });

  test("a permanent refusal is told once, and ends the attempts until connect() is called", async () => {
    const world = new World();
    const room = world.room();
    const seen: unknown[] = [];
    room.on("refused", (refusal) => seen.push(refusal));
    (await world.open()).end(4403, "not for you");
    expect(seen).toEqual([{ code: 4403, reason: "not for you" }]);
    expect(room.refusal).toEqual({ code: 4403, reason: "not for you" });
    expect(room.status).toBe("refused");
    world.clock.advance(10 * BACKOFF_MS_MAX);
    world.network("online");
    await settled();
    expect(world.sockets).toHaveLength(1);
    room.connect();
    await settled();
    expect(world.sockets).toHaveLength(2);
    expect(room.refusal).toBeNull();
  });

  test("PermissionDenied is about a change: the connection stays, and the change unsaved", async () => {
    const world = new World();
    const room = world.room();
    const seen: unknown[] = [];
    room.on("denied", (event) => seen.push(event));
    const socket = await world.open();
    room.doc.getText().insert(0, "x");
    socket.receive(new Uint8Array([2, 0, 2, 110, 111]));
    expect(seen).toEqual([{ reason: "no" }]);
    expect(room.status).toBe("connected");
    expect(room.saved.unsaved).toBe(1);
  });
});

describe("a socket that does not open", () => {
  const problem = JSON.stringify({ status: 401, detail: "the token has expired" });
  const cases: [number, string, unknown][] = [
    [401, problem, { code: 4401, reason: "the token has expired" }],
    [403, "<html>", { code: 4403, reason: "" }],
    [400, "[]", { code: 4400, reason: "" }],
    [426, "", null],
    [503, "", null],
    [200, "", null],
  ];
  test.each(cases)("with HTTP status %i and body %s", async (status, body, refusal) => {
    const world = new World();
    world.httpNext = { status, body };
    const room = world.room({ url: "wss://server", token: "t" });
    await settled();
    world.socket.end(1006);
    await settled();
    expect(world.asked).toEqual(["https://server/yjs/room?token=t"]);
    expect(room.refusal).toEqual(refusal);
    expect(room.status).toBe(refusal === null ? "connecting" : "refused");
  });

  test("is asked about less and less, and never after one that was open", async () => {
    const world = new World();
    const room = world.room();
    const asked: number[] = [];
    for (let failure = 1; failure <= 9; failure += 1) {
      await settled();
      world.socket.end(1006);
      await settled();
      asked.push(world.asked.length);
      world.retry(room);
    }
    expect(asked).toEqual([1, 2, 2, 3, 3, 3, 3, 4, 4]);
    await world.open();
    world.clock.advance(STABLE_MS_MIN);
    world.socket.end(1006);
    await settled();
    expect(world.asked).toHaveLength(4);
  });

  test("an answer that comes after the next attempt began is nobody's", async () => {
    const world = new World();
    world.httpNext = { status: 401, body: "" };
    const room = world.room();
    await settled();
    world.socket.end(1006);
    world.retry(room);
    await world.open();
    expect(room.status).toBe("connected");
  });
});

describe("the token", () => {
  test("is asked for at each attempt", async () => {
    const world = new World();
    let count = 0;
    const room = world.room({ token: async () => `t${++count}` });
    await settled();
    world.socket.end(1006);
    world.retry(room);
    await settled();
    expect(world.sockets.map((s) => s.url)).toEqual([
      "ws://server/yjs/room?token=t1",
      "ws://server/yjs/room?token=t2",
    ]);
  });

  test("that is refused is renewed once, and once more after a connection that lasted", async () => {
    const world = new World();
    const room = world.room({ token: () => "t" });
    (await world.open()).end(4401, "expired");
    expect(room.status).toBe("connecting");
    world.retry(room);
    await world.open();
    world.clock.advance(STABLE_MS_MIN);
    world.socket.end(4401, "expired");
    expect(room.status).toBe("connecting");
    world.retry(room);
    (await world.open()).end(4401, "expired");
    expect(room.status).toBe("refused");
  });

  test("that is a plain string is not tried twice", async () => {
    const world = new World();
    const room = world.room({ token: "t" });
    (await world.open()).end(4401);
    expect(room.status).toBe("refused");
  });

  test("whose maker throws, rejects or never answers costs one attempt", async () => {
    const world = new World();
    let mode = 0;
    const room = world.room({
      token: () => {
        mode += 1;
        if (mode === 1) throw new Error("thrown");
        if (mode === 2) return Promise.reject(new Error("rejected"));
        if (mode === 3) return new Promise<string>(() => {});
        return "good";
      },
    });
    await settled();
    world.retry(room);
    await settled();
    world.retry(room);
    await settled();
    expect(world.sockets).toHaveLength(0);
    world.clock.advance(AUTHORIZE_MS_MAX);
    world.retry(room);
    await settled();
    expect(world.socket.url).toContain("token=good");
    expect(world.errors.map((error) => (error as Error).message)).toEqual(["thrown", "rejected"]);
  });

  test("that comes after disconnect() opens nothing", async () => {
    const world = new World();
    const room = world.room({ token: async () => "late" });
    room.disconnect();
    await settled();
    expect(world.sockets).toHaveLength(0);
    expect(room.status).toBe("disconnected");
  });
});

describe("a dead socket", () => {
  test("that never opens is given up", async () => {
    const world = new World();
    const room = world.room();
    await settled();
    world.clock.advance(CONNECT_MS_MAX);
    expect(world.socket.state).toBe("closed");
    expect(room.retryAt).not.toBeNull();
  });

  test("that is silent is given up; one that is not lives on", async () => {
    const world = new World();
    const room = world.room();
    const socket = await world.open();
    for (let i = 0; i < 4; i += 1) {
      world.clock.advance(SILENCE_MS_MAX - 1);
      socket.receive(wire.encodeAwareness(new Uint8Array([0])));
    }
    expect(room.status).toBe("connected");
    world.clock.advance(SILENCE_MS_MAX);
    expect(room.status).toBe("connecting");
  });

  test.each(["online", "offline", "visible"] as const)("is found out at %s", async (event) => {
    const world = new World();
    const room = world.room();
    const socket = await world.open();
    socket.take();
    world.network(event);
    expect(socket.take().map((message) => message.type)).toEqual(["step1", "awareness"]);
    socket.receive(wire.encodeStep2(EMPTY_UPDATE));
    world.clock.advance(PROBE_MS_MAX);
    expect(room.status).toBe("connected");
    world.network(event);
    world.clock.advance(PROBE_MS_MAX);
    expect(room.status).toBe("connecting");
  });

  test("of before a long sleep is not even asked", async () => {
    const world = new World();
    const room = world.room();
    await world.open();
    world.clock.nowMs += SILENCE_MS_MAX;
    world.network("visible");
    expect(room.status).toBe("connecting");
    expect(room.retryAt).not.toBeNull();
  });

  test("is closed, and its late events change nothing", async () => {
    const world = new World();
    const room = world.room();
    const socket = await world.open();
    world.clock.advance(SILENCE_MS_MAX);
    expect(socket.state).toBe("closed");
    expect([socket.onopen, socket.onmessage, socket.onclose]).toEqual([null, null, null]);
    world.retry(room);
    await world.open();
    socket.end(4403);
    expect(room.status).toBe("connected");
  });
});

test.each(["online", "visible"] as const)("%s ends a wait", async (event) => {
  const world = new World();
  const room = world.room();
  await settled();
  world.socket.end(1006);
  expect(room.retryAt).not.toBeNull();
  world.network("offline");
  await settled();
  expect(world.sockets).toHaveLength(1);
  world.network(event);
  await settled();
  expect(world.sockets).toHaveLength(2);
});

test("the status goes from connecting to connected and back, and is told once each time", async () => {
  const world = new World();
  const room = world.room({ connect: false });
  const seen: string[] = [];
  room.on("status", ({ status }) => seen.push(status));
  expect(room.status).toBe("disconnected");
  room.connect();
  room.connect();
  await world.open();
  world.socket.end(1006);
  world.retry(room);
  await world.open();
  room.disconnect();
  expect(seen).toEqual(["connecting", "connected", "connecting", "connected", "disconnected"]);
  expect(world.socket.closedWith).toBe(1000);
});

test("sync is told at the first Step2 of each connection, and taken back at its loss", async () => {
  const world = new World();
  const room = world.room();
  const seen: boolean[] = [];
  const unsubscribe = room.on("sync", (synced) => seen.push(synced));
  const socket = await world.open();
  expect(room.synced).toBe(false);
  socket.receive(wire.encodeStep2(EMPTY_UPDATE));
  socket.receive(wire.encodeStep2(EMPTY_UPDATE));
  expect(room.synced).toBe(true);
  socket.end(1006);
  expect(room.synced).toBe(false);
  expect(seen).toEqual([true, false]);
  unsubscribe();
  world.retry(room);
  (await world.open()).receive(wire.encodeStep2(EMPTY_UPDATE));
  expect(seen).toEqual([true, false]);
});

describe("what the application throws", () => {
  test("in a listener reaches onError and nothing else", async () => {
    const world = new World();
    const room = world.room();
    const boom = new Error("boom");
    const throws = () => {
      throw boom;
    };
    const seen: boolean[] = [];
    room.on("status", throws);
    room.on("saved", throws);
    room.on("sync", throws);
    room.on("sync", (synced) => seen.push(synced));
    room.awareness.on("change", throws);
    const socket = await world.open();
    socket.receive(wire.encodeStep2(EMPTY_UPDATE));
    room.doc.getText().insert(0, "x");
    socket.end(1006);
    expect(seen).toEqual([true, false]);
    expect(new Set(world.errors)).toEqual(new Set([boom]));
    world.retry(room);
    await world.open();
    expect(room.status).toBe("connected");
  });

  test("in an observer of the document costs neither the update nor the connection", async () => {
    const world = new World();
    const room = world.room();
    room.doc.getText().observe(() => {
      throw new Error("boom");
    });
    const other = new Y.Doc();
    other.getText().insert(0, "hello");
    const socket = await world.open();
    socket.receive(wire.encodeStep2(Y.encodeStateAsUpdate(other)));
    expect(room.doc.getText().toString()).toBe("hello");
    expect(room.synced).toBe(true);
    expect(world.errors).toHaveLength(1);
  });

  test("even in onError harms nobody", async () => {
    const world = new World();
    const room = world.room({
      onError: () => {
        throw new Error("again");
      },
    });
    room.on("status", () => {
      throw new Error("boom");
    });
    await world.open();
    expect(room.status).toBe("connected");
  });

  test("a listener may disconnect or destroy in the middle of anything", async () => {
    for (const act of ["disconnect", "destroy"] as const) {
      for (const name of ["status", "sync", "saved"] as const) {
        const world = new World();
        const room = world.room();
        const socket = await world.open();
        room.on(name, () => room[act]());
        socket.receive(wire.encodeStep2(EMPTY_UPDATE));
        room.doc.getText().insert(0, "x");
        socket.end(1006);
        await settled();
        expect([name, act, room.status]).toEqual([name, act, "disconnected"]);
        expect(world.clock.timers.size).toBe(0);
      }
    }
  });
});

describe("broken frames", () => {
  test.each([
    ["an unfinished number", [0x80]],
    ["a length beyond the frame", [0, 2, 200, 1]],
    ["an update that is none", [0, 2, 3, 9, 9, 9]],
    ["a Step2 that is none", [0, 1, 3, 9, 9, 9]],
  ])("%s: the connection starts anew", async (_name, bytes) => {
    const world = new World();
    const room = world.room();
    (await world.open()).receive(new Uint8Array(bytes));
    expect(room.status).toBe("connecting");
    expect(room.synced).toBe(false);
    expect(world.errors).toHaveLength(1);
  });

  test.each([
    ["a message of an unknown kind", [99, 1, 2, 3]],
    ["an empty frame", []],
    ["awareness that is no JSON", [1, 5, 1, 7, 1, 1, 123]],
  ])("%s: passed over", async (_name, bytes) => {
    const world = new World();
    const room = world.room();
    (await world.open()).receive(new Uint8Array(bytes));
    expect(room.status).toBe("connected");
  });

  test("a text frame: passed over", async () => {
    const world = new World();
    const room = world.room();
    (await world.open()).onmessage?.({ data: "hello" });
    expect(room.status).toBe("connected");
  });
});

test("destroy leaves no timer, no listener and no socket behind", async () => {
  const world = new World();
  const room = world.room();
  const socket = await world.open();
  socket.take();
  const doc = room.doc;
  room.destroy();
  room.destroy();
  room.connect();
  await settled();
  expect(socket.take()).toMatchObject([{ type: "awareness" }]);
  expect(socket.closedWith).toBe(1000);
  expect(world.sockets).toHaveLength(1);
  expect(world.clock.timers.size).toBe(0);
  expect(world.listeners.size).toBe(0);
  expect(doc.isDestroyed).toBe(true);
  expect([...doc._observers.keys()]).toEqual([]);
  expect([...room.awareness._observers.keys()]).toEqual([]);
});

test("destroy leaves alone the document that it was given, and goes with it", async () => {
  const world = new World();
  const doc = new Y.Doc();
  const first = world.room({ doc });
  await world.open();
  first.destroy();
  expect(doc.isDestroyed).toBe(false);
  const second = world.room({ doc });
  await world.open();
  doc.destroy();
  expect(second.status).toBe("disconnected");
  expect(world.clock.timers.size).toBe(0);
});
