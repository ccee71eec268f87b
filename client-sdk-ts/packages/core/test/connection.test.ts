// How a room connects, comes back, and stays away.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import {
  BACKOFF_AGE_SHARE,
  BACKOFF_MS_BASE,
  BACKOFF_MS_HERD,
  BACKOFF_MS_MAX,
  BACKOFF_MS_YOUNG,
  Backoff,
  STABLE_MS_MIN,
} from "../src/backoff.js";
import { verdict } from "../src/close.js";
import {
  CONNECT_MS_MAX,
  GO_AWAY_MS_MAX,
  PROBE_MS_MAX,
  SILENCE_MS_MAX,
  SILENCE_MS_MIN,
} from "../src/connection.js";
import { EMPTY_UPDATE, generator, joined, settled, World, welcome } from "./fakes.js";

const SYNCED = { channel: 1, type: "diff", update: EMPTY_UPDATE } as const;
const PING = { channel: 0, type: "ping", payload: new Uint8Array([7]) } as const;
const PONG = { channel: 0, type: "pong", payload: new Uint8Array() } as const;

describe("the address", () => {
  const cases: [string, string][] = [
    ["ws://host:1", "ws://host:1/v1/connect"],
    ["https://host/", "wss://host/v1/connect"],
    ["http://host/below//", "ws://host/below/v1/connect"],
  ];
  test.each(cases)("%s", async (url, expected) => {
    const world = new World();
    world.room({ url, name: "a/b c?#é", token: "secret" });
    const socket = await world.dial();
    expect(socket.url).toBe(expected);
    expect(socket.protocols).toBe("roomtone.v1");
    expect(socket.take()).toMatchObject([
      { channel: 0, type: "hello", version: 1, capabilities: 0, token: "secret" },
      { channel: 1, type: "join", name: "a/b c?#é", epoch: 0, token: "" },
    ]);
  });
});

describe("the backoff", () => {
  const never = () => 0.999999;

  /** The pauses of attempts that fail at once, over so long. */
  function pauses(random: () => number, from: "new" | "settled", overMs: number) {
    let nowMs = 5_000;
    const backoff = new Backoff(random, () => nowMs);
    if (from === "settled") backoff.settle();
    const pauses: { readonly atMs: number; readonly pauseMs: number }[] = [];
    for (const startMs = nowMs; nowMs - startMs <= overMs; ) {
      const pauseMs = backoff.pauseMs();
      backoff.grow();
      pauses.push({ atMs: nowMs - startMs, pauseMs });
      nowMs += Math.max(1, pauseMs);
    }
    return pauses;
  }
  const lengths = (...of: Parameters<typeof pauses>) => pauses(...of).map((p) => p.pauseMs);

  test("is anything between nothing and a ceiling that doubles up to 2 s", () => {
    expect(lengths(never, "new", 7_000)).toEqual([499, 999, 1999, 1999, 1999]);
    expect(lengths(never, "settled", 7_000)).toEqual([2499, 1999, 1999, 1999]);
    expect(lengths(() => 0, "new", 3)).toEqual([0, 0, 0, 0]);
  });

  test("is at most a quarter of the time that the trouble has lasted, and half a minute", () => {
    const long = pauses(never, "settled", 600_000);
    for (const { atMs, pauseMs } of long.slice(1))
      expect(pauseMs).toBeLessThanOrEqual(
        Math.min(BACKOFF_MS_MAX, Math.max(BACKOFF_MS_YOUNG, atMs * BACKOFF_AGE_SHARE)),
      );
    expect(long.at(-1)?.pauseMs).toBe(BACKOFF_MS_MAX - 1);
    // Ten minutes of it cost a server that is away this many attempts, when all pauses are as long as they may be.
    expect(long.length).toBeLessThan(40);
  });

  test.each([3_000, 8_000])(
    "a server that is back after %i ms has its clients 2 s later",
    (awayMs) => {
      const random = generator(2);
      const waits = Array.from({ length: 5_000 }, () => {
        const attempts = pauses(random, "settled", awayMs).map((p) => p.atMs + p.pauseMs);
        return attempts.filter((atMs) => atMs >= awayMs).sort((a, b) => a - b)[0] ?? Infinity;
      }).map((atMs) => atMs - awayMs);
      waits.sort((a, b) => a - b);
      expect(waits[Math.ceil(0.95 * waits.length)]).toBeLessThan(1_800);
    },
  );

  test("starts anew with what it is told", () => {
    let nowMs = 0;
    const backoff = new Backoff(never, () => nowMs);
    for (let attempt = 0; attempt < 20; attempt += 1) {
      backoff.grow();
      nowMs += 60_000;
    }
    expect(backoff.pauseMs()).toBe(BACKOFF_MS_MAX - 1);
    backoff.settle();
    expect(backoff.pauseMs()).toBe(BACKOFF_MS_HERD - 1);
    backoff.reset();
    expect(backoff.pauseMs()).toBe(BACKOFF_MS_BASE - 1);
    backoff.grow();
    expect(backoff.pauseMs()).toBe(2 * BACKOFF_MS_BASE - 1);
  });

  test("mattermost-webapp #10960, phoenix #4045: a restart is not met by a herd", () => {
    const random = generator(1);
    const clients = Array.from({ length: 50_000 }, () => {
      const backoff = new Backoff(random, () => 0);
      backoff.settle();
      return backoff.pauseMs();
    });
    const window = 500;
    for (let from = 0; from < BACKOFF_MS_HERD; from += window / 2) {
      const share = clients.filter((ms) => ms >= from && ms < from + window).length / 50_000;
      // A fifth, and what chance adds to it.
      expect(share).toBeLessThan(0.206);
    }
    expect(Math.max(...clients)).toBeGreaterThan(BACKOFF_MS_HERD * 0.99);
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
    expect(delays).toEqual([250, 500, 1000, 1000, 1000, 1000, 1000, 1000]);
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
    expect(delay()).toBe(BACKOFF_MS_HERD / 2);
    world.retry(room);
    await settled();
    world.socket.end(1006);
    expect(delay()).toBe(BACKOFF_MS_YOUNG / 2);
  });

  test.each(["online", "visible"] as const)("is over at %s, and starts low", async (event) => {
    const world = new World();
    const room = world.room();
    await world.open();
    world.clock.advance(STABLE_MS_MIN);
    world.socket.end(1006);
    world.network(event);
    await settled();
    expect(world.sockets).toHaveLength(2);
    world.socket.end(1006);
    expect((room.retryAt ?? 0) - world.clock.nowMs).toBe(BACKOFF_MS_BASE / 2);
  });
});

describe("na11 a server that goes away", () => {
  test.each([
    [0, 0],
    [1_500, 1_500],
    [2 ** 40, GO_AWAY_MS_MAX],
  ])("says %i ms: the next attempt comes after %i", async (delayMs, expected) => {
    const world = new World();
    const room = world.room();
    const socket = await world.open();
    world.clock.advance(STABLE_MS_MIN);
    socket.say({ channel: 0, type: "goAway", delayMs, reason: "restarting" });
    expect(room.status).toBe("connected");
    socket.end(1012);
    expect((room.retryAt ?? 0) - world.clock.nowMs).toBe(expected);
    world.retry(room);
    await settled();
    expect(world.sockets).toHaveLength(2);
    // Said for once: from here on it is the backoff as ever.
    world.socket.end(1006);
    expect((room.retryAt ?? 0) - world.clock.nowMs).toBe(BACKOFF_MS_HERD / 2);
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
    expect(world.asked).toEqual(["https://server/v1/connect"]);
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
      socket.say(PING);
      expect(socket.take().at(-1)).toEqual({ ...PING, type: "pong" });
    }
    expect(room.status).toBe("connected");
    world.clock.advance(SILENCE_MS_MAX);
    expect(room.status).toBe("connecting");
  });

  test.each([
    [20_000, 20_000],
    [60_000, 60_000],
    [0, SILENCE_MS_MIN],
  ])("na10 the server says that it may be silent for %i ms: %i", async (silenceMs, expected) => {
    const world = new World();
    const room = world.room();
    const socket = await world.dial();
    socket.say(welcome({ silenceMs }), joined(1));
    world.clock.advance(expected - 1);
    expect(room.status).toBe("connected");
    world.clock.advance(1);
    expect(room.status).toBe("connecting");
    // The next server may say another bound; before it does, the usual one holds.
    world.retry(room);
    await world.dial();
    world.clock.advance(SILENCE_MS_MAX - 1);
    expect(world.socket.state).toBe("open");
    world.clock.advance(1);
    expect(world.socket.state).toBe("closed");
  });

  test.each(["online", "offline", "visible"] as const)("is found out at %s", async (event) => {
    const world = new World();
    const room = world.room();
    const socket = await world.open();
    socket.take();
    world.network(event);
    expect(socket.takeTypes()).toEqual(["ping", "awareness"]);
    socket.say(PONG);
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

test("sync is told at the first Diff of each connection, and taken back at its loss", async () => {
  const world = new World();
  const room = world.room();
  const seen: boolean[] = [];
  const unsubscribe = room.on("sync", (synced) => seen.push(synced));
  const socket = await world.open();
  expect(room.synced).toBe(false);
  socket.say(SYNCED);
  socket.say(SYNCED);
  expect(room.synced).toBe(true);
  socket.end(1006);
  expect(room.synced).toBe(false);
  expect(seen).toEqual([true, false]);
  unsubscribe();
  world.retry(room);
  (await world.open()).say(SYNCED);
  expect(seen).toEqual([true, false]);
});

test("na2 a server of another version is not asked again", async () => {
  const world = new World();
  const room = world.room();
  (await world.dial()).say(welcome({ version: 2 }));
  expect(room.status).toBe("refused");
  expect(room.refusal).toEqual({
    code: 4400,
    reason: "the server speaks version 2, and this client 1",
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
  expect(socket.takeTypes()).toEqual(["awareness", "leave"]);
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
