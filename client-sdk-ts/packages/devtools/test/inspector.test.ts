// What listens to a connection: it changes nothing, and keeps little.

import type { Environment } from "@roomtone/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type FakeSocket, generator, World } from "../../core/test/fakes.js";
import { Inspector } from "../src/index.js";
import { BODY_BYTES_MAX, FRAMES_COUNT_MAX } from "../src/inspector/inspector.js";
import { fieldsOf } from "../src/messages/fields.js";
import { messagesOf } from "../src/messages/message.js";
import { summaryOf } from "../src/messages/summary.js";
import { opened, types } from "./contents.js";
import { holdTime, Stage } from "./stage.js";

beforeEach(() => holdTime());
afterEach(() => vi.useRealTimers());

test("a socket behind it says and hears the same things, the same objects, and at once", () => {
  const world = new World();
  const inspector = new Inspector();
  const { WebSocket: Tapped } = inspector.environment(world.environment) as Environment;
  const socket = new Tapped("ws://server/v1/connect", "roomtone.v1");
  const real = world.socket;
  expect([real.url, real.protocols]).toEqual(["ws://server/v1/connect", "roomtone.v1"]);

  const heard: unknown[] = [];
  const hear = (event: unknown) => void heard.push(event);
  Object.assign(socket, { onopen: hear, onmessage: hear, onclose: hear, onerror: hear });
  socket.binaryType = "arraybuffer";
  expect(real.binaryType).toBe("arraybuffer");

  const bytes = new Uint8Array([0, 4, 0]);
  // What the real one throws is thrown.
  expect(() => socket.send(bytes)).toThrow("not open");
  const events = [
    { kind: "open" },
    { data: bytes.buffer },
    { kind: "error" },
    { code: 1006, reason: "" },
  ];
  real.onopen?.(events[0]);
  real.state = "open";
  socket.send(bytes);
  expect(real.sent[0]).toBe(bytes);
  real.onmessage?.(events[1] as { data: unknown });
  real.onerror?.(events[2]);
  real.onclose?.(events[3] as { code: number; reason: string });
  expect(heard).toHaveLength(4);
  for (const [index, event] of heard.entries()) expect(event).toBe(events[index]);
  socket.close(1000);
  expect(real.closedWith).toBe(1000);

  // What is not replaced is the base's own.
  const { environment } = world;
  const { WebSocket: _socket, fetch: _fetch, ...rest } = inspector.environment(environment);
  expect(environment).toMatchObject(rest);
  expect(Object.keys(rest)).toHaveLength(Object.keys(environment).length - 2);
});

test("the copy is its own: what the sender does with its bytes afterwards is not seen", () => {
  const world = new World();
  const inspector = new Inspector();
  const { WebSocket: Tapped } = inspector.environment(world.environment) as Environment;
  const socket = new Tapped("ws://server/v1/connect", "roomtone.v1");
  world.socket.open();
  const bytes = new Uint8Array([0, 4, 0]);
  socket.send(bytes);
  bytes.fill(9);
  expect(inspector.frames[0]?.body).toEqual(new Uint8Array([0, 4, 0]));
});

test("a room works behind it as without it, and every message is there, decoded", async () => {
  const stage = new Stage();
  await stage.join();
  stage.room.doc.getText("t").insert(0, "hello");
  stage.commit();
  expect(stage.room.saved.state).toBe("saved");
  expect(stage.server.disk().getText("t").toString()).toBe("hello");
  expect(types(stage.inspector)).toEqual([
    "↑ hello",
    "↑ join",
    "↓ welcome",
    "↓ joined",
    "↓ stateVector",
    "↓ diff",
    "↓ awareness",
    "↑ awareness",
    "↑ diff",
    "↓ saved",
    "↑ edit",
    "↓ saved",
  ]);
  stage.close();
});

test("what is kept is bounded, and which channel is which room is known all the same", async () => {
  const stage = new Stage({ name: "minutes" });
  await stage.join();
  stage.room.doc.getText("t").insert(0, "x".repeat(100_000));
  for (let i = 0; i < FRAMES_COUNT_MAX * 4; i += 1) stage.room.send("wave", i);
  const { frames } = stage.inspector;
  expect(frames.length).toBeLessThan(FRAMES_COUNT_MAX + 10);
  expect(stage.inspector.lastFrame).toBeGreaterThan(FRAMES_COUNT_MAX * 4);
  expect(frames.map(({ number }) => number)).toEqual(
    frames.map(({ number }) => number).sort((a, b) => a - b),
  );
  expect(stage.inspector.traffic.bytes("up")).toBeGreaterThan(100_000);

  stage.show("Messages");
  expect(stage.all(".messages .gap").length).toBeLessThanOrEqual(1);
  expect(stage.rows).toHaveLength(200);
  expect(stage.all(".messages .channel[title]").at(-1)?.title).toBe("minutes");

  stage.room.doc.getText("t").insert(0, "y".repeat(100_000));
  const [large] = stage.inspector.frames.slice(-1);
  expect(large?.bytes).toBeGreaterThan(100_000);
  expect(large?.body?.length).toBe(BODY_BYTES_MAX);
  expect(large?.body?.buffer.byteLength).toBe(BODY_BYTES_MAX);
  stage.pass();
  // Its number is at its beginning, and is read all the same.
  expect(stage.rows.at(-1)).toMatchObject({ type: "edit", summary: "no. 3" });
  stage.close();
});

test("broken frames end what they end without it, and are shown as broken", async () => {
  const stage = new Stage();
  const socket = await stage.join();
  const before = stage.inspector.frames.length;
  socket.receive(new Uint8Array([1, 36, 200, 1]));
  expect(stage.world.errors).toHaveLength(1);
  expect(stage.room.status).toBe("connecting");
  expect(types(stage.inspector).slice(-1)).toEqual(["↓ broken"]);
  expect(stage.inspector.frames).toHaveLength(before + 1);

  stage.world.retry(stage.room);
  const again = await stage.join();
  expect(stage.room.status).toBe("connected");
  // A frame of text is not for the client, and harms nobody.
  again.onmessage?.({ data: "<b>hello</b>" });
  again.receive(new Uint8Array([0, 99, 2, 7, 7]));
  expect(types(stage.inspector).slice(-2)).toEqual(["↓ broken", "↓ unknown 99"]);
  stage.show("Messages");
  expect(stage.rows.at(-2)?.summary).toContain("a frame of text");
  stage.show("Connection");
  expect(stage.shown.textContent).toContain("a broken frame from the server");
  stage.close();
});

test("nothing that a server can send breaks the reading", () => {
  const random = generator(7);
  const world = new World();
  const inspector = new Inspector({ bodyBytesMax: 48 });
  const { WebSocket: Tapped } = inspector.environment(world.environment) as Environment;
  new Tapped("ws://server/v1/connect", "roomtone.v1");
  const real: FakeSocket = world.socket;
  const types = [0, 1, 3, 6, 17, 19, 32, 33, 34, 35, 38, 48, 49, 65, 99];
  for (let round = 0; round < 3_000; round += 1) {
    const body = Array.from({ length: random() * 60 }, () => random() * 256);
    const type = types[Math.floor(random() * types.length)] ?? 0;
    const isFramed = random() < 0.8;
    real.receive(
      Uint8Array.from(isFramed ? [type < 16 ? 0 : 1, type, body.length, ...body] : body),
    );
    const frame = inspector.frames.at(-1);
    if (frame === undefined) throw new Error("nothing was kept");
    for (const message of messagesOf(frame)) {
      summaryOf(message);
      opened(fieldsOf(message));
    }
  }
});

test("a listener that throws harms neither the connection nor the other listeners", async () => {
  const complaints = vi.spyOn(console, "error").mockImplementation(() => {});
  const stage = new Stage();
  let calls = 0;
  stage.inspector.subscribe(() => {
    throw new Error("the panel's mistake");
  });
  const stop = stage.inspector.subscribe(() => {
    calls += 1;
  });
  await stage.join();
  expect(stage.room.synced).toBe(true);
  expect(calls).toBeGreaterThan(0);
  expect(complaints).toHaveBeenCalledTimes(calls);
  stop();
  const last = calls;
  stage.room.doc.getText("t").insert(0, "x");
  expect(calls).toBe(last);
  stage.close();
  complaints.mockRestore();
});

test("without a base it asks as the client asks by itself", async () => {
  vi.stubGlobal("WebSocket", undefined);
  const inspector = new Inspector();
  const { WebSocket: none, ...rest } = inspector.environment();
  // That there is none is the client's to say.
  expect(none).toBeUndefined();
  expect(Object.keys(rest)).toEqual(["fetch"]);
  const asked: unknown[][] = [];
  vi.stubGlobal("fetch", async (...request: unknown[]) => {
    asked.push(request);
    return new Response(null, { status: 426 });
  });
  const answer = await rest.fetch?.("http://server/v1/connect");
  expect(answer?.status).toBe(426);
  expect(asked).toEqual([["http://server/v1/connect", { cache: "no-store" }]]);
  vi.unstubAllGlobals();
});
