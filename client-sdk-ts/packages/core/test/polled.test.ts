// Without WebSockets: the same frames over plain HTTP, each once and in order, whatever the network loses. Pain:
// suitenumerique/docs #486.

import { expect, test } from "vitest";
import { SILENCE_MS_MAX } from "../src/connection.js";
import type { ClientOptions } from "../src/index.js";
import { EMPTY_MS_MIN, FAREWELL_MS_MAX, REPEAT_COUNT_MAX, REPEAT_MS_BASE } from "../src/polled.js";
import { FRAME_MESSAGES_MAX } from "../src/wire.js";
import { decodeClientFrame } from "../src/wire-client.js";
import { admit, generator, joined, settled, World, welcome } from "./fakes.js";
import { FakeHttp } from "./http.js";
import { FakeServer } from "./server.js";

const PONG = { channel: 0, type: "pong", payload: new Uint8Array() } as const;

/** Hello and Join are one frame; what the client shows of itself is the second. */
const ENTERED_POSTS = 2;

/** A client over HTTP alone, and a session that lets its room in. */
async function entered(options: Partial<ClientOptions> = {}) {
  const world = new World();
  const http = new FakeHttp(world);
  const client = world.client({ transport: "http", ...options });
  const room = client.open("room");
  await settled();
  admit(http.session.socket);
  await settled();
  http.session.socket.take();
  return { world, http, client, room };
}

/** A client over HTTP and a server that it can write to. */
async function served() {
  const world = new World();
  const server = new FakeServer();
  const http = new FakeHttp(world, server);
  const client = world.client({ transport: "http" });
  const room = client.open("room");
  const turn = async () => {
    await settled();
    server.read();
    server.commit();
    await settled();
  };
  for (let i = 0; i < 4; i += 1) await turn();
  return { world, server, http, client, room, text: room.doc.getText("t"), turn };
}

/** Waits out the pauses between repetitions. */
async function repeat(world: World): Promise<void> {
  for (let i = 0; i <= REPEAT_COUNT_MAX; i += 1) {
    await settled();
    world.clock.advance(REPEAT_MS_BASE * 2 ** i);
  }
  await settled();
}

test("ht1 a room works as it does over a WebSocket", async () => {
  const { world, server, http, client, room, text, turn } = await served();
  expect(client.transport).toBe("http");
  expect(room.transport).toBe("http");
  expect(world.sockets).toEqual([]);
  expect([room.status, room.synced]).toEqual(["connected", true]);
  text.insert(0, "hello");
  expect(room.saved.unsaved).toBe(1);
  await turn();
  await turn();
  expect(room.saved.state).toBe("saved");
  expect(server.disk().getText("t").toString()).toBe("hello");
  expect(http.asked[0]?.session).toMatch(/^[A-Za-z0-9_-]{22,64}$/);
  expect(http.of("POST").map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(world.errors).toEqual([]);
});

test("each session has a name of its own", async () => {
  const { world, http, room } = await entered();
  const random = generator(3);
  world.random = random;
  http.forget();
  await settled();
  world.retry(room);
  await settled();
  expect(new Set(http.of("POST").map(({ session }) => session)).size).toBe(2);
});

test("ht4 one frame is under way at a time; what comes meanwhile goes together, in order", async () => {
  const { http, room } = await entered();
  http.hold();
  for (let i = 0; i < 5; i += 1) {
    room.send("n", i);
    await settled();
  }
  expect(http.of("POST")).toHaveLength(ENTERED_POSTS + 1);
  http.release();
  await settled();
  const frames = http.session.socket.sent.splice(0).map((frame) => [...decodeClientFrame(frame)]);
  const payloads = frames.map((frame) => frame.map((each) => "payload" in each && each.payload));
  expect(payloads).toEqual([["0"], ["1", "2", "3", "4"]]);
});

test("what goes together is bounded in messages and in bytes", async () => {
  const { http, room } = await entered();
  http.hold();
  room.send("first");
  await settled();
  for (let i = 0; i < FRAME_MESSAGES_MAX + 1; i += 1) room.send("n", i);
  for (let i = 0; i < 10; i += 1) room.send("large", "x".repeat(15_000));
  http.release();
  await settled();
  const frames = http.session.socket.sent.splice(0);
  const counts = frames.map((frame) => [...decodeClientFrame(frame)].length);
  expect(counts).toEqual([1, FRAME_MESSAGES_MAX, 5, 4, 2]);
  expect(Math.max(...frames.map(({ length }) => length))).toBeLessThanOrEqual(64 * 1024);
});

test("and by what the server takes", async () => {
  const world = new World();
  const http = new FakeHttp(world);
  const room = world.client({ transport: "http" }).open("room");
  await settled();
  http.session.socket.take();
  http.session.socket.say(welcome({ frameBytesMax: 100 }), joined(1));
  await settled();
  http.hold();
  for (let i = 0; i < 9; i += 1) {
    room.send("n", "x".repeat(30));
    await settled();
  }
  http.session.socket.sent.length = 0;
  http.release();
  await settled();
  const frames = http.session.socket.sent;
  expect(frames.length).toBeGreaterThan(2);
  expect(Math.max(...frames.map(({ length }) => length))).toBeLessThanOrEqual(100);
});

test("an answer with more messages than a frame may hold is read to its end", async () => {
  const { http, room } = await entered();
  const heard: unknown[] = [];
  room.on("event", ({ payload }) => heard.push(payload));
  const count = FRAME_MESSAGES_MAX * 2 + 7;
  for (let i = 0; i < count; i += 1) {
    const payload = String(i);
    http.session.socket.say({ channel: 1, type: "event", user: "", name: "n", payload });
  }
  await settled();
  await settled();
  expect(heard).toEqual(Array.from({ length: count }, (_, i) => i));
});

test.each(["request lost", "answer lost", 502, 503] as const)(
  "ht2 %s: it is made again with the same number, and counts once",
  async (fate) => {
    const { world, http, room } = await entered();
    let left = REPEAT_COUNT_MAX;
    http.fate = ({ method }) => {
      if (method !== "POST" || left === 0) return "arrives";
      left -= 1;
      return fate;
    };
    room.send("once");
    await repeat(world);
    expect(http.session.socket.takeTypes()).toEqual(["event"]);
    expect(http.of("POST").map(({ number }) => number)).toEqual([1, 2, 3, 3, 3, 3, 3]);
    expect(room.status).toBe("connected");
  },
);

test("ht2 a fetch whose answer was lost gets the same once more", async () => {
  const { world, http, room } = await entered();
  const heard: unknown[] = [];
  room.on("event", ({ payload }) => heard.push(payload));
  let isLost = true;
  http.fate = () => (isLost ? "answer lost" : "arrives");
  const say = (payload: string) =>
    http.session.socket.say({ channel: 1, type: "event", user: "", name: "n", payload });
  // The one that waits got its fate before.
  say("1");
  await settled();
  say("2");
  await settled();
  isLost = false;
  say("3");
  await repeat(world);
  expect(heard).toEqual([1, 2, 3]);
  const numbers = http.of("GET").map(({ number }) => number);
  expect(numbers.filter((number) => number === 3)).toHaveLength(2);
});

test("a network that stays away ends the session, and another one is begun", async () => {
  const { world, http, room } = await entered();
  const [first] = http.sessions.keys();
  world.random = generator(1);
  http.fate = () => "request lost";
  room.send("lost");
  await repeat(world);
  expect(room.status).toBe("connecting");
  const posts = http.of("POST").filter(({ session }) => session === first);
  expect(posts).toHaveLength(ENTERED_POSTS + 1 + REPEAT_COUNT_MAX);
  http.fate = () => "arrives";
  await repeat(world);
  admit(http.session.socket);
  await settled();
  expect(room.status).toBe("connected");
  // The goodbye was lost as well: the server ends the first one by itself.
  expect(http.sessions.size).toBe(2);
});

test.each([409, 410, 404, 408])("ht4 status %i: another session is begun", async (status) => {
  const { http, client, room } = await entered();
  http.fate = ({ method }) => (method === "POST" ? status : "arrives");
  room.send("lost");
  await settled();
  expect(client.status).toBe("connecting");
  expect(client.transport).toBeNull();
  expect(http.of("POST")).toHaveLength(ENTERED_POSTS + 1);
});

test("a status that refuses is a refusal", async () => {
  const { http, client, room } = await entered();
  http.fate = () => 403;
  room.send("lost");
  await settled();
  expect(client.refusal?.code).toBe(4403);
});

test("nothing is said to a server that is not there, and a refusal is heard before that", async () => {
  const world = new World();
  const http = new FakeHttp(world);
  http.status = null;
  const client = world.client({ transport: "http" });
  client.open("room");
  await settled();
  expect(client.status).toBe("connecting");
  expect(client.retryAt).not.toBeNull();
  http.status = 401;
  world.retry(client);
  await settled();
  expect(client.refusal?.code).toBe(4401);
  expect(http.asked).toEqual([]);
});

test.each([
  [4403, "refused"],
  [1012, "connecting"],
] as const)("ht4 Closed %i means what a close frame means: %s", async (code, status) => {
  const { http, client } = await entered();
  http.session.socket.say({ channel: 0, type: "closed", code, reason: "because" });
  await settled();
  expect(client.status).toBe(status);
  expect(client.refusal).toEqual(status === "refused" ? { code, reason: "because" } : null);
});

test("an answer with nothing in it is a sign of life", async () => {
  const { world, http, room } = await entered();
  for (let i = 0; i < 4; i += 1) {
    world.clock.advance(SILENCE_MS_MAX - 10_000);
    http.session.breathe();
    await settled();
  }
  expect(room.status).toBe("connected");
  world.clock.advance(SILENCE_MS_MAX);
  expect(room.status).toBe("connecting");
});

test("empty answers that come at once do not make it ask without end", async () => {
  const { world, http, room } = await entered();
  const before = http.of("GET").length;
  for (let i = 0; i < 20; i += 1) {
    http.session.breathe();
    await settled();
  }
  expect(http.of("GET")).toHaveLength(before);
  world.clock.advance(EMPTY_MS_MIN);
  await settled();
  expect(http.of("GET")).toHaveLength(before + 1);
  expect(room.status).toBe("connected");
});

test("what was said last arrives before the goodbye", async () => {
  const { http, room, client } = await entered();
  const { socket } = http.session;
  http.hold();
  room.send("one");
  await settled();
  room.send("two");
  client.destroy();
  await settled();
  expect(http.of("DELETE")).toEqual([]);
  http.release();
  await settled();
  expect(socket.takeTypes()).toEqual(["event", "event", "awareness", "leave"]);
  expect(http.of("DELETE")).toMatchObject([{ request: { keepalive: true } }]);
  expect(http.of("POST").at(-1)?.request.keepalive).toBe(true);
  expect(http.sessions.size).toBe(0);
});

test("a goodbye waits only so long, and leaves no timer and no request", async () => {
  const { world, http, room, client } = await entered();
  http.hold();
  room.send("one");
  await settled();
  client.destroy();
  world.clock.advance(FAREWELL_MS_MAX);
  await settled();
  expect(http.of("DELETE")).toHaveLength(1);
  expect(world.clock.timers.size).toBe(0);
  const underWay = [http.of("POST").at(-1), http.of("GET").at(-1)];
  expect(underWay.map((asked) => asked?.request.signal?.aborted)).toEqual([true, true]);
});

test("a dead session is found out when the network comes back", async () => {
  const { world, http, room } = await entered();
  world.network("visible");
  await settled();
  expect(http.session.socket.takeTypes()).toEqual(["ping", "awareness"]);
  http.session.socket.say(PONG);
  await settled();
  world.clock.advance(5_000);
  expect(room.status).toBe("connected");
  world.network("visible");
  world.clock.advance(5_000);
  expect(room.status).toBe("connecting");
});

test("whatever is lost on the way, every change is taken once and in order, and all is saved", async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = generator(seed);
    const world = new World();
    world.random = random;
    const server = new FakeServer();
    const http = new FakeHttp(world, server);
    const rooms = [1, 2, 3].map(() => world.client({ transport: "http" }).open("room"));
    const fates = ["request lost", "answer lost", 502, 410] as const;
    http.fate = () =>
      random() < 0.3 ? (fates[Math.floor(random() ** 2 * fates.length)] ?? "arrives") : "arrives";
    for (let step = 0; step < 60; step += 1) {
      const room = rooms[Math.floor(random() * rooms.length)];
      const roll = random();
      if (roll < 0.4) room?.doc.getText("t").insert(0, String(step % 10));
      else if (roll < 0.6) server.read();
      else if (roll < 0.7) server.commit();
      else if (roll < 0.95) world.clock.advance(Math.floor(random() * 2_000));
      else http.forget();
      await settled();
    }
    http.fate = () => "arrives";
    for (let turn = 0; turn < 12; turn += 1) {
      world.clock.advance(10_000);
      await settled();
      // The server throws when a number is missing or out of order.
      server.read();
      server.commit();
      server.breathe();
      await settled();
    }
    for (const room of rooms) {
      expect(room.saved, `seed ${seed}`).toMatchObject({ state: "saved", unsaved: 0 });
      expect(room.doc.getText("t").toString()).toBe(server.disk().getText("t").toString());
    }
    expect(world.errors).toEqual([]);
  }
});
