// The dialect, byte for byte: the vectors that the server's tests read too.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { CLIENT_NAME } from "../src/link.js";
import * as wire from "../src/wire.js";
import { decodeClientFrame } from "../src/wire-client.js";
import { partsOf, readPart } from "../src/wire-parts.js";
import { serverFrame } from "./wire-server.js";

type From = "client" | "server";

interface Vector {
  readonly name: string;
  readonly from: From;
  readonly hex: string;
}

interface GoodVector extends Vector {
  readonly messages: readonly Record<string, unknown>[];
}

const vectors: { good: GoodVector[]; bad: Vector[] } = JSON.parse(
  readFileSync(new URL("../../../../docs/vectors/native.json", import.meta.url), "utf8"),
);

/** The fields that are bytes, and hexadecimal in the vectors. */
const BYTES = new Set(["payload", "stateVector", "update", "deflated"]);

const fromHex = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** A message as the vectors write it. The payload of an event is text in both. */
function written(message: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? toHex(value) : value,
    ]),
  );
}

function read<Message>(vector: Record<string, unknown>): wire.Addressed<Message> {
  const isBytes = (name: string) =>
    BYTES.has(name) && !(vector.type === "event" && name === "payload");
  return Object.fromEntries(
    Object.entries(vector).map(([name, value]) => [
      name,
      isBytes(name) ? fromHex(String(value)) : value,
    ]),
  ) as wire.Addressed<Message>;
}

function decode(from: From, bytes: Uint8Array): wire.Addressed<{ type: string }>[] {
  return [...(from === "server" ? wire.decodeFrame(bytes) : decodeClientFrame(bytes))];
}

function encode({ from, messages }: GoodVector): Uint8Array {
  if (from === "server") {
    return serverFrame(...messages.map((message) => read<wire.ServerMessage>(message)));
  }
  return wire.frameOf(
    messages.map((message) => {
      const { channel, ...body } = read<wire.ClientMessage>(message);
      return wire.encodeMessage(channel, body as wire.ClientMessage);
    }),
  );
}

test("the vectors know every message", () => {
  const seen = new Set(vectors.good.flatMap(({ messages }) => messages.map(({ type }) => type)));
  expect([...seen].sort()).toEqual(Object.keys(wire.TYPE).sort());
  expect(vectors.bad.length).toBeGreaterThan(0);
});

test.each(vectors.good)("na2 reads, from the $from: $name", ({ from, hex, messages }) => {
  expect(decode(from, fromHex(hex)).map(written)).toEqual(messages);
});

const plain = vectors.good.filter(({ name }) => name !== "what is not known is skipped");

test.each(plain)("writes, from the $from: $name", (vector) => {
  expect(toHex(encode(vector))).toBe(vector.hex);
});

test.each(vectors.bad)("throws, from the $from: $name", ({ from, hex }) => {
  expect(() => decode(from, fromHex(hex))).toThrow();
});

test.each([
  ["an unfinished number", "80"],
  ["a number far beyond 2^53", "012409ffffffffffffffff01"],
  ["a channel beyond the last", "8080808008240101"],
  ["a word of the connection on the channel of a room", "01030105"],
  ["a word of a room on the channel of the connection", "00240105"],
  ["a string that goes on in the next message", "012502056101240105"],
  ["more messages than a frame may hold", "01240105".repeat(wire.FRAME_MESSAGES_MAX + 1)],
])("throws on %s", (_name, hex) => {
  expect(() => decode("server", fromHex(hex))).toThrow();
});

test.each(vectors.good)("in parts, from the $from: $name", ({ from, hex, messages }) => {
  const bytes = fromHex(hex);
  const parts = [...partsOf(bytes)];
  expect(parts.reduce((sum, part) => sum + part.bytes, 0)).toBe(bytes.length);
  const known = parts.map((part) => readPart(part, from)).filter((message) => message !== null);
  expect(known.map(written)).toEqual(messages);
});

test.each(vectors.good)("in parts and cut off anywhere, from the $from: $name", ({ hex }) => {
  const bytes = fromHex(hex);
  const whole = [...partsOf(bytes)];
  for (let length = 0; length < bytes.length; length += 1) {
    const parts = [...partsOf(bytes.subarray(0, length), false)];
    expect(parts.map(({ type }) => type)).toEqual(
      whole.slice(0, parts.length).map(({ type }) => type),
    );
    expect(parts.slice(0, -1).every(({ isCut }) => !isCut)).toBe(true);
    expect(parts.map((part) => part.bytes)).toEqual(
      whole.slice(0, parts.length).map((part) => part.bytes),
    );
  }
});

test("what came before the break was read", () => {
  const messages = wire.decodeFrame(fromHex("0124010501ff"));
  expect(messages.next().value).toEqual({ channel: 1, type: "saved", seq: 5 });
  expect(() => messages.next()).toThrow();
});

test("as many messages as a frame may hold", () => {
  expect(decode("server", fromHex("01240105".repeat(wire.FRAME_MESSAGES_MAX)))).toHaveLength(1_000);
});

test("the name that the client gives itself is that of the package", () => {
  expect(CLIENT_NAME).toBe(`core/${packageJson.version}`);
});
