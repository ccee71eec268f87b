// Deflated diffs: what they hold, in order with what comes behind them, and within bounds.

import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { ambientInflate, inflate } from "../src/inflate.js";
import { EMPTY_STATE_VECTOR, settled, World } from "./fakes.js";

/** The updates of a text that grows, one after the other. */
function updatesOf(...texts: string[]): Uint8Array[] {
  const doc = new Y.Doc();
  const updates: Uint8Array[] = [];
  doc.on("update", (update: Uint8Array) => updates.push(update));
  for (const text of texts) doc.getText("t").insert(doc.getText("t").length, text);
  return updates as [Uint8Array, ...Uint8Array[]];
}

/** A room whose runtime inflates when the test says so. */
async function slow() {
  const world = new World();
  const answers: { resolve: (bytes: Uint8Array) => void; reject: (error: unknown) => void }[] = [];
  world.inflate = () => new Promise((resolve, reject) => answers.push({ resolve, reject }));
  const client = world.client();
  const [room, other] = [client.open("room"), client.open("other")];
  const socket = await world.open();
  const [hello] = socket.take();
  return { world, client, room, other, socket, hello, answers, text: room.doc.getText("t") };
}

const deflated = (channel = 1) =>
  ({ channel, type: "deflatedDiff", deflated: new Uint8Array([1]) }) as const;

describe("the capability", () => {
  test("is told where the runtime has it", async () => {
    const { hello } = await slow();
    expect(hello).toMatchObject({ type: "hello", capabilities: 1 });
  });

  test("is not told where it has not, and a diff that comes all the same is refused", async () => {
    const world = new World();
    const room = world.room();
    const socket = await world.open();
    expect(socket.take()[0]).toMatchObject({ capabilities: 0 });
    socket.say(deflated());
    expect(room.status).toBe("connecting");
    expect(world.errors).toHaveLength(1);
  });
});

test("what the runtime inflates is what was deflated", async () => {
  const world = new World();
  world.inflate = ambientInflate();
  expect(world.inflate).not.toBeNull();
  const room = world.room();
  const [update = new Uint8Array()] = updatesOf("hello ".repeat(20_000));
  const socket = await world.open();
  const synced = new Promise<void>((resolve) => room.on("sync", () => resolve()));
  socket.say({ channel: 1, type: "deflatedDiff", deflated: deflateRawSync(update) });
  await synced;
  expect(room.doc.getText("t").toString()).toBe("hello ".repeat(20_000));
});

test("what comes behind stays behind, and other rooms do not wait", async () => {
  const { room, other, socket, answers, text } = await slow();
  const [first, second, third] = updatesOf("a", "b", "c") as [Uint8Array, Uint8Array, Uint8Array];
  socket.say(
    { channel: 1, type: "stateVector", stateVector: EMPTY_STATE_VECTOR },
    deflated(1),
    { channel: 1, type: "update", update: second },
    deflated(1),
    { channel: 1, type: "update", update: third },
    { channel: 1, type: "saved", seq: 1 },
    { channel: 2, type: "update", update: first },
  );
  expect(other.doc.getText("t").toString()).toBe("a");
  expect([text.toString(), room.synced]).toEqual(["", false]);
  // What is done here goes out meanwhile: the server has what it lacked.
  room.doc.getMap("m").set("k", 1);
  expect(socket.takeTypes()).toEqual(["diff", "edit"]);
  const empty = Y.encodeStateAsUpdate(new Y.Doc());
  answers[0]?.resolve(first);
  await settled();
  expect([text.toString(), room.synced]).toEqual(["ab", true]);
  socket.say({ channel: 1, type: "role", role: "viewer" });
  expect(room.role).toBe("editor");
  answers[1]?.resolve(empty);
  await settled();
  expect([text.toString(), room.role]).toEqual(["abc", "viewer"]);
});

test("an answer that comes after the room was lost is nobody's", async () => {
  for (const act of ["lose", "leave", "destroy"] as const) {
    const { world, client, room, socket, answers, text } = await slow();
    const [first] = updatesOf("a") as [Uint8Array];
    socket.say(deflated());
    if (act === "lose") {
      socket.end(1006);
      world.retry(client);
      await world.open();
    } else if (act === "leave") {
      room.disconnect();
      room.connect();
      socket.say({ channel: 3, type: "joined", epoch: 1, role: "editor", user: "" });
    } else {
      room.destroy();
    }
    answers[0]?.resolve(first);
    await settled();
    expect([act, text.toString(), room.synced]).toEqual([act, "", false]);
    expect(world.errors).toEqual([]);
  }
});

test("one that cannot be inflated is told, and its room joins anew", async () => {
  const { world, room, other, socket, answers } = await slow();
  const broken = new Error("broken");
  socket.say(deflated());
  answers[0]?.reject(broken);
  await settled();
  expect(world.errors).toEqual([broken]);
  expect([room.status, other.status]).toEqual(["connecting", "connected"]);
  expect(room.retryAt).not.toBeNull();
});

describe("the bound", () => {
  const bomb = deflateRawSync(new Uint8Array(1_000_000));

  test("lets through what is within", async () => {
    expect(await inflate(bomb, 1_000_000)).toHaveLength(1_000_000);
  });

  test("refuses what is beyond", async () => {
    await expect(inflate(bomb, 999_999)).rejects.toThrow("more than 999999 bytes");
  });

  test("and what is no deflate at all", async () => {
    await expect(inflate(new Uint8Array([255, 255, 255]), 1_000)).rejects.toThrow();
  });
});
