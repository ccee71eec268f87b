// Another document under the same name: text never doubles, and nothing is thrown away. Pains: tiptap #2489 #4547,
// liveblocks #1377, hocuspocus #84 #344 #592, y-websocket #161, siphonophore #10.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import type { RoomEvents } from "../src/index.js";
import { admit, emptySync, joined, World, welcome } from "./fakes.js";
import { FakeServer } from "./server.js";

/** A room on a server, with a line of text that is saved. */
async function written() {
  const world = new World();
  const server = new FakeServer();
  const room = world.room();
  const seen: RoomEvents["replaced"][] = [];
  room.on("replaced", (event) => seen.push(event));
  const answer = async () => {
    server.accept(await world.dial());
    server.read();
    server.read();
    server.commit();
  };
  await answer();
  room.doc.getText("t").insert(0, "mine");
  server.read();
  server.commit();
  return { world, server, room, seen, answer, text: room.doc.getText("t") };
}

test("na5 the epoch is what the server says, and goes with each Join from then on", async () => {
  const { world, room, server } = await written();
  expect(room.epoch).toBe(1);
  server.leave(world.socket);
  world.socket.end(1006);
  world.retry(room);
  expect((await world.dial()).take()).toMatchObject([{ type: "hello" }, { epoch: 1 }]);
});

test("na5 a document that was replaced meanwhile: the copy is kept, and merged with nothing", async () => {
  const { world, server, room, seen, answer, text } = await written();
  server.leave(world.socket);
  world.socket.end(1006);
  server.replace("room", "theirs");
  text.insert(4, " and more");
  world.retry(room);
  await answer();
  expect(seen).toEqual([{ stale: room.doc, epoch: 2 }]);
  expect(room.refusal).toEqual({
    code: 4409,
    reason: "the document was replaced; drop your copy",
  });
  expect(room.status).toBe("refused");
  expect(text.toString()).toBe("mine and more");
  expect(server.disk().getText("t").toString()).toBe("theirs");
  expect(room.saved.unsaved).toBe(1);

  // Told to come back, it says the same again.
  room.connect();
  server.read();
  expect(seen).toHaveLength(2);
  expect(server.disk().getText("t").toString()).toBe("theirs");

  // A new room with an empty document sees what is there now.
  const next = world.room();
  await answer();
  expect(next.epoch).toBe(2);
  expect(next.doc.getText("t").toString()).toBe("theirs");
});

test("na5 a document that is replaced under one's hands", async () => {
  const { world, server, room, seen, text } = await written();
  text.insert(4, " unsent");
  server.replace("room", "theirs");
  expect(seen).toEqual([{ stale: room.doc, epoch: 2 }]);
  expect(room.status).toBe("refused");
  text.insert(0, "still ");
  server.read();
  server.commit();
  expect(text.toString()).toBe("still mine unsent");
  expect(server.disk().getText("t").toString()).toBe("theirs");
  expect(room.saved.unsaved).toBe(2);
  world.clock.advance(60_000);
  expect(room.status).toBe("refused");
});

test("na5 the rooms beside it stay, and so does the order: refused, then replaced", async () => {
  const world = new World();
  const client = world.client();
  const [one, two] = [client.open("one"), client.open("two")];
  const seen: string[] = [];
  one.on("refused", ({ code }) => seen.push(`refused ${code}`));
  one.on("replaced", ({ epoch }) => seen.push(`replaced ${epoch}`));
  const socket = await world.open();
  socket.say({ channel: 1, type: "left", code: 4409, reason: "", epoch: 0 });
  expect(seen).toEqual(["refused 4409", "replaced 0"]);
  expect([one.status, two.status]).toEqual(["refused", "connected"]);
});

describe("a copy from a store", () => {
  test("joins with the epoch that it was stored with", async () => {
    const doc = new Y.Doc();
    doc.getText("t").insert(0, "stored");
    const world = new World();
    const server = new FakeServer();
    server.replace("room", "new");
    const room = world.room({ doc, epoch: 1 });
    expect(room.epoch).toBe(1);
    server.accept(await world.dial());
    server.read();
    expect(room.refusal?.code).toBe(4409);
    expect(doc.getText("t").toString()).toBe("stored");
  });

  test("is not mixed by a server that takes it all the same", async () => {
    const world = new World();
    const room = world.room({ epoch: 1 });
    room.doc.getText("t").insert(0, "stored");
    const other = new Y.Doc();
    other.getText("t").insert(0, "new");
    const seen: unknown[] = [];
    room.on("replaced", ({ epoch }) => seen.push(epoch));
    const socket = await world.dial();
    socket.take();
    socket.say(
      welcome(),
      joined(1, 2),
      { channel: 1, type: "stateVector", stateVector: Y.encodeStateVector(other) },
      { channel: 1, type: "diff", update: Y.encodeStateAsUpdate(other) },
    );
    expect(seen).toEqual([2]);
    expect(room.doc.getText("t").toString()).toBe("stored");
    expect(room.status).toBe("refused");
    expect(room.epoch).toBe(1);
    expect(socket.take()).toEqual([{ channel: 1, type: "leave" }]);
  });
});

describe("role and user", () => {
  test("are what the server says, and told when they change", async () => {
    const world = new World();
    const room = world.room();
    const seen: unknown[] = [];
    room.on("role", (event) => seen.push(event));
    expect([room.role, room.user]).toEqual([null, null]);
    const socket = await world.dial();
    socket.say(welcome(), joined(1, 1, "editor", "ada"), ...emptySync());
    socket.say({ channel: 1, type: "role", role: "viewer" });
    socket.say({ channel: 1, type: "role", role: "viewer" });
    expect(seen).toEqual([
      { role: "editor", user: "ada" },
      { role: "viewer", user: "ada" },
    ]);
    expect([room.role, room.user]).toEqual(["viewer", "ada"]);
    socket.end(1006);
    expect(room.role).toBe("viewer");
    expect(room.status).toBe("connecting");
  });

  test("without a token there is a role, and nobody", async () => {
    const world = new World();
    const room = world.room();
    admit(await world.dial());
    expect([room.role, room.user]).toEqual(["editor", null]);
  });
});

describe("an epoch that becomes known after the room was made", () => {
  test("goes with the next Join, until the server has said one", async () => {
    const world = new World();
    const room = world.room({ connect: false });
    room.setEpoch(7);
    expect(room.epoch).toBe(7);
    room.connect();
    expect((await world.dial()).take()).toMatchObject([{ type: "hello" }, { epoch: 7 }]);
    world.socket.say(welcome(), joined(1, 7));
    room.setEpoch(8);
    expect(room.epoch).toBe(7);
  });

  test("while a Join without it is under way, keeps another document out", async () => {
    const world = new World();
    const room = world.room();
    const seen: RoomEvents["replaced"][] = [];
    room.on("replaced", (event) => seen.push(event));
    const socket = await world.dial();
    room.setEpoch(3);
    socket.say(welcome(), joined(1, 4), ...emptySync());
    expect(seen).toEqual([{ stale: room.doc, epoch: 4 }]);
    expect(room.status).toBe("refused");
    expect(socket.takeTypes()).toEqual(["hello", "join", "leave"]);
  });
});
