// Which way a connection takes: a WebSocket, plain HTTP where a proxy lets none pass, and back. Pain:
// suitenumerique/docs #486.

import { describe, expect, test } from "vitest";
import { BACKOFF_MS_MAX } from "../src/backoff.js";
import { CONNECT_MS_MAX, DOUBT_MS, SILENCE_MS_MAX } from "../src/connection.js";
import type { ClientOptions } from "../src/index.js";
import { SWALLOWED_COUNT_MAX, WEBSOCKET_AGAIN_MS } from "../src/transport.js";
import { admit, settled, World } from "./fakes.js";
import { FakeHttp } from "./http.js";

/** A client with one room, and a server that answers over HTTP. */
function start(options: Partial<ClientOptions> = {}) {
  const world = new World();
  const http = new FakeHttp(world);
  const client = world.client(options);
  const room = client.open("room");
  return { world, http, client, room };
}

/** The same, behind a proxy that lets no WebSocket pass, and connected. */
async function fallen() {
  const all = start();
  for (let i = 0; i < SWALLOWED_COUNT_MAX; i += 1) {
    if (i > 0) all.world.retry(all.client);
    await settled();
    all.world.socket.end(1006);
  }
  await settled();
  await enter(all.http);
  return all;
}

/** The server lets in who asked over HTTP. */
async function enter(http: FakeHttp): Promise<void> {
  admit(http.session.socket);
  await settled();
}

test("two WebSockets that the proxy swallows lead to HTTP, at once", async () => {
  const { world, http, client, room } = start();
  await settled();
  world.socket.end(1006);
  await settled();
  expect(http.asked).toEqual([]);
  world.retry(client);
  await settled();
  world.socket.end(1006);
  await settled();
  expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX);
  await enter(http);
  expect([client.transport, client.status, room.status]).toEqual([
    "http",
    "connected",
    "connected",
  ]);
});

test("one that hangs leads there as soon as the server has answered beside it", async () => {
  const { world, http, client } = start();
  await settled();
  world.clock.advance(DOUBT_MS);
  await settled();
  await enter(http);
  expect([client.transport, world.sockets.length]).toEqual(["http", 1]);
});

test("so does one that opens and lets nothing through", async () => {
  const { world, http, client } = start();
  await settled();
  world.socket.open();
  world.clock.advance(DOUBT_MS);
  await settled();
  await enter(http);
  expect([client.transport, world.sockets.length]).toEqual(["http", 1]);
});

test("one that hangs before a server that answers nothing goes on", async () => {
  const { world, http, client } = start();
  http.status = null;
  await settled();
  world.clock.advance(DOUBT_MS);
  await settled();
  await world.open();
  expect([client.transport, world.sockets.length]).toEqual(["websocket", 1]);
});

test("so do two that hang, and two that open and let nothing through", async () => {
  const { world, http, client } = start();
  await settled();
  world.clock.advance(CONNECT_MS_MAX);
  await settled();
  world.retry(client);
  await settled();
  world.socket.open();
  world.clock.advance(SILENCE_MS_MAX);
  await settled();
  await enter(http);
  expect(client.transport).toBe("http");
});

test.each([
  ["that is away", null],
  ["that has another one in its place", 200],
  ["that fails", 503],
])("a server %s does not", async (_what, status) => {
  const { world, http, client } = start();
  http.status = status;
  for (let i = 0; i < 9; i += 1) {
    await settled();
    world.socket.end(1006);
    await settled();
    world.retry(client);
  }
  await settled();
  expect(world.sockets).toHaveLength(10);
  expect(http.asked).toEqual([]);
});

test("nor does one that was away once in between", async () => {
  const { world, http, client } = start();
  for (const status of [426, null, null, null, 426]) {
    http.status = status;
    await settled();
    world.socket.end(1006);
    await settled();
    world.retry(client);
  }
  await settled();
  expect(http.asked).toEqual([]);
  expect(client.transport).toBeNull();
});

test("a connection that worked and is lost is no reason for HTTP", async () => {
  const { world, http, client } = start();
  for (let i = 0; i < 5; i += 1) {
    await world.open();
    expect(client.transport).toBe("websocket");
    world.socket.end(1006);
    await settled();
    world.retry(client);
  }
  expect(http.asked).toEqual([]);
});

test("what worked last is what is tried first, for as long as the client lives", async () => {
  const { world, http, client } = await fallen();
  http.forget();
  await settled();
  world.retry(client);
  await settled();
  await enter(http);
  expect(client.transport).toBe("http");
  client.disconnect();
  client.connect();
  await settled();
  await enter(http);
  expect(client.transport).toBe("http");
  expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX);
});

test("where HTTP fails as well, the two take turns", async () => {
  const { world, http, client } = await fallen();
  http.status = null;
  http.forget();
  await settled();
  for (let turn = 0; turn < 3; turn += 1) {
    world.retry(client);
    await settled();
    expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX + turn);
    // That was HTTP, which found nobody.
    world.retry(client);
    await settled();
    expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX + turn + 1);
    world.socket.end(1006);
    await settled();
  }
  world.retry(client);
  await settled();
  world.retry(client);
  await world.open();
  expect(client.transport).toBe("websocket");
});

describe("a WebSocket beside a connection over HTTP", () => {
  /** Lets time pass, with signs of life. */
  const pass = async (world: World, http: FakeHttp, ms: number) => {
    for (let left = ms; left > 0; left -= 10_000) {
      world.clock.advance(Math.min(left, 10_000));
      http.session.breathe();
      await settled();
    }
  };

  test("is tried every few minutes, and harms nothing while it fails", async () => {
    const { world, http, client, room } = await fallen();
    await pass(world, http, WEBSOCKET_AGAIN_MS - 1);
    expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX);
    await pass(world, http, 1);
    expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX + 1);
    world.socket.end(1006);
    await pass(world, http, WEBSOCKET_AGAIN_MS);
    expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX + 2);
    // This one hangs.
    await pass(world, http, CONNECT_MS_MAX);
    expect(world.socket.state).toBe("closed");
    expect([client.transport, room.status]).toEqual(["http", "connected"]);
  });

  test("is taken when it opens", async () => {
    const { world, http, client, room } = await fallen();
    world.network("online");
    expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX + 1);
    world.network("online");
    expect(world.sockets).toHaveLength(SWALLOWED_COUNT_MAX + 1);
    const trial = world.socket;
    trial.open();
    expect(trial.state).toBe("closed");
    world.clock.advance(0);
    await world.open();
    expect([client.transport, room.status]).toEqual(["websocket", "connected"]);
    expect(http.of("DELETE")).toHaveLength(1);
    // It is remembered, too.
    world.socket.end(1006);
    world.retry(client);
    await world.open();
    expect(client.transport).toBe("websocket");
  });

  test("that opens and lets nothing through leads back to HTTP at once", async () => {
    const { world, http, client } = await fallen();
    world.network("online");
    world.socket.open();
    world.clock.advance(0);
    await world.dial();
    world.clock.advance(SILENCE_MS_MAX);
    await settled();
    world.clock.advance(BACKOFF_MS_MAX);
    await settled();
    await enter(http);
    expect(client.transport).toBe("http");
  });

  test("ends with the connection", async () => {
    const { world, client } = await fallen();
    world.network("online");
    client.destroy();
    expect(world.sockets.map(({ state }) => state)).toEqual(["closed", "closed", "closed"]);
    await settled();
    expect(world.clock.timers.size).toBe(0);
  });
});

test("`websocket` is never left", async () => {
  const { world, http, client } = start({ transport: "websocket" });
  for (let i = 0; i < 4; i += 1) {
    await settled();
    world.socket.end(1006);
    await settled();
    world.retry(client);
  }
  expect(http.asked).toEqual([]);
});

test("`http` makes no WebSocket, ever", async () => {
  const { world, http, client } = start({ transport: "http" });
  await settled();
  await enter(http);
  world.network("online");
  http.session.socket.say({ channel: 0, type: "pong", payload: new Uint8Array() });
  await settled();
  world.clock.advance(WEBSOCKET_AGAIN_MS);
  await settled();
  http.forget();
  await settled();
  expect(world.sockets).toEqual([]);
  expect(client.transport).toBeNull();
});

test("a room with a connection of its own takes the option as well", async () => {
  const world = new World();
  const http = new FakeHttp(world);
  const room = world.room({ transport: "http" });
  await settled();
  await enter(http);
  expect(room.transport).toBe("http");
});
