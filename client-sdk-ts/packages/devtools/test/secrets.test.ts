// No token is kept, and no name of a session.

import { Client, type Environment } from "@roomtone/core";
import { expect, test } from "vitest";
import { emptySync, generator, joined, settled, World, welcome } from "../../core/test/fakes.js";
import { FakeHttp } from "../../core/test/http.js";
import { FakeServer } from "../../core/test/server.js";
import { Digest } from "../src/digest.js";
import { Inspector } from "../src/index.js";
import { contents, types } from "./contents.js";

test("no token is kept anywhere: of a connection, of a room, or a new one", async () => {
  const world = new World();
  const inspector = new Inspector();
  let drawn = 0;
  const client = new Client({
    url: "wss://ada:pass-word@server/mounted?key=query-secret",
    token: async () => {
      drawn += 1;
      return `connection-secret-${drawn}`;
    },
    environment: inspector.environment(world.environment),
  });
  client.open("notes");
  client.open("board", { token: "room-secret-…-ünicode" });
  const socket = await world.dial();
  socket.say(welcome(), joined(1), joined(2), ...emptySync(1), {
    channel: 0,
    type: "renew",
    leftMs: 9,
  });
  await settled();
  expect(types(inspector).filter((type) => /hello|token|join$/.test(type))).toEqual([
    "↑ hello",
    "↑ join",
    "↑ join",
    "↑ token",
  ]);
  // The server got them as they were.
  expect(JSON.stringify(socket.take())).toMatch(
    /connection-secret-1.*room-secret.*connection-secret-2/,
  );

  const all = contents(inspector);
  expect(all).not.toMatch(/secret|pass-word|key=/);
  expect(all).toContain("••• 19 bytes");
  expect(all).toContain(`••• ${new TextEncoder().encode("room-secret-…-ünicode").length} bytes`);
  client.destroy();
});

test("a token that the end of the copy cuts in two is covered as far as it is there", async () => {
  const world = new World();
  const inspector = new Inspector({ bodyBytesMax: 24 });
  const client = new Client({
    url: "ws://server",
    token: "long-secret-".repeat(20),
    environment: inspector.environment(world.environment),
  });
  client.open("notes");
  await world.dial();
  const all = contents(inspector);
  expect(all).toContain("core/");
  expect(all).not.toContain("secret");
  client.destroy();
});

test("what this client sent and cannot be searched for tokens is not kept", () => {
  const world = new World();
  const inspector = new Inspector();
  const { WebSocket: Tapped } = inspector.environment(world.environment) as Environment;
  const socket = new Tapped("ws://server/v1/connect", "roomtone.v1");
  world.socket.open();
  const text = new TextEncoder().encode("secret");
  socket.send(Uint8Array.from([0, 0, 40, 1, 1, 3, ...text]));
  expect(world.socket.sent).toHaveLength(1);
  expect(contents(inspector)).not.toContain("secret");
  expect(types(inspector)).toEqual(["↑ broken"]);
});

test("over plain HTTP it sees the same frames, each repetition, and never the session's name", async () => {
  const world = new World();
  const server = new FakeServer();
  const http = new FakeHttp(world, server);
  let isLost = true;
  http.fate = ({ method, number }) => {
    if (method !== "POST" || number !== 2 || !isLost) return "arrives";
    isLost = false;
    return "answer lost";
  };
  world.random = generator(3);
  const inspector = new Inspector();
  const room = world.room({
    environment: inspector.environment(world.environment),
    transport: "http",
    token: "http-secret",
  });
  const turn = async () => {
    for (let i = 0; i < 10; i += 1) {
      await settled();
      server.read();
      server.commit();
    }
  };
  await turn();
  expect(room.status).toBe("connected");
  world.clock.advance(1_000);
  await turn();
  room.doc.getText("t").insert(0, "over http");
  await turn();
  expect(room.saved.state).toBe("saved");
  expect(server.disk().getText("t").toString()).toBe("over http");

  expect(types(inspector)).toEqual(
    expect.arrayContaining(["↑ hello", "↓ welcome", "↑ diff", "↑ edit", "↓ saved"]),
  );
  expect(inspector.frames.every(({ transport }) => transport === "http")).toBe(true);
  expect(inspector.frames.filter(({ isRepeat }) => isRepeat)).toHaveLength(1);
  const digest = new Digest(inspector);
  digest.catchUp();
  // What was said twice is measured once.
  expect(digest.latency.samples.map(({ kind }) => kind)).toEqual(["hello", "saved", "saved"]);
  room.destroy();
  await turn();
  const [session] = http.asked;
  if (session === undefined) throw new Error("nothing was asked");
  expect(session.session).toMatch(/^[\w-]{24}$/);
  const all = contents(inspector);
  expect(all).not.toContain(session.session);
  expect(all).not.toContain("http-secret");
  expect(inspector.events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(["asked", "connecting", "opened", "failed", "closing"]),
  );
});
