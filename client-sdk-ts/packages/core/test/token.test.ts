// The token of a connection: where it comes from, and when there has to be a new one.

import { describe, expect, test } from "vitest";
import { STABLE_MS_MIN } from "../src/backoff.js";
import { AUTHORIZE_MS_MAX } from "../src/connection.js";
import { type FakeSocket, settled, World } from "./fakes.js";

/** The token in the Hello that a socket was opened with. */
function tokenOf(socket: FakeSocket): string | undefined {
  return socket.take().flatMap((message) => (message.type === "hello" ? [message.token] : []))[0];
}

describe("the token", () => {
  test("is asked for at each attempt", async () => {
    const world = new World();
    let count = 0;
    const room = world.room({ token: async () => `t${++count}` });
    const first = await world.dial();
    first.end(1006);
    world.retry(room);
    const second = await world.dial();
    expect([tokenOf(first), tokenOf(second)]).toEqual(["t1", "t2"]);
  });

  test("is empty where there is none", async () => {
    const world = new World();
    world.room();
    expect(tokenOf(await world.dial())).toBe("");
    world.room({ token: () => null });
    expect(tokenOf(await world.dial())).toBe("");
  });

  test("na8 is asked for again when the server says that it ends", async () => {
    const world = new World();
    let count = 0;
    world.room({ token: async () => `t${++count}` });
    const socket = await world.open();
    socket.take();
    socket.say({ channel: 0, type: "renew", leftMs: 30_000 });
    // Whoever is asked twice at once answers once.
    socket.say({ channel: 0, type: "renew", leftMs: 29_999 });
    await settled();
    expect(socket.take()).toEqual([{ channel: 0, type: "token", token: "t2" }]);
    socket.say({ channel: 0, type: "renew", leftMs: 30_000 });
    await settled();
    expect(socket.take()).toEqual([{ channel: 0, type: "token", token: "t3" }]);
  });

  test("na8 that cannot be renewed is left to end", async () => {
    const world = new World();
    let mode = "good";
    const room = world.room({
      token: () => {
        if (mode === "bad") throw new Error("no token");
        return mode === "slow" ? new Promise<string>(() => {}) : "t";
      },
    });
    const socket = await world.open();
    socket.take();
    for (mode of ["bad", "slow"]) {
      socket.say({ channel: 0, type: "renew", leftMs: 30_000 });
      await settled();
    }
    expect(socket.take()).toEqual([]);
    expect(world.errors).toMatchObject([{ message: "no token" }]);
    expect(room.status).toBe("connected");
    // One that never answers does not stand in the way of the next.
    mode = "good";
    world.clock.nowMs += AUTHORIZE_MS_MAX;
    socket.say({ channel: 0, type: "renew", leftMs: 10_000 });
    await settled();
    expect(socket.take()).toMatchObject([{ type: "token" }]);
  });

  test("na8 that is a plain string is not sent again", async () => {
    const world = new World();
    world.room({ token: "t" });
    const socket = await world.open();
    socket.take();
    socket.say({ channel: 0, type: "renew", leftMs: 30_000 });
    await settled();
    expect(socket.take()).toEqual([]);
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
    expect(tokenOf(await world.dial())).toBe("good");
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
