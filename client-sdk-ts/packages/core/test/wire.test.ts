// The dialect, byte for byte.

import { expect, test } from "vitest";
import * as wire from "../src/wire.js";

const bytes = (hex: string) =>
  Uint8Array.from(hex.split(" ").filter(Boolean), (pair) => Number.parseInt(pair, 16));

const messages: [string, string, wire.Message[]][] = [
  ["Step1", "00 00 01 00", [{ type: "step1", stateVector: bytes("00") }]],
  ["Step2", "00 01 02 00 00", [{ type: "step2", update: bytes("00 00") }]],
  ["Update", "00 02 02 00 00", [{ type: "update", update: bytes("00 00") }]],
  ["Awareness", "01 01 00", [{ type: "awareness", update: bytes("00") }]],
  ["PermissionDenied", "02 00 02 6e 6f", [{ type: "denied", reason: "no" }]],
  ["Auth granted", "02 01", []],
  ["QueryAwareness", "03", [{ type: "query" }]],
  ["nothing", "", []],
  ["an unknown kind", "63 01 02", []],
  [
    "two in one frame",
    "00 01 02 00 00 01 01 00",
    [
      { type: "step2", update: bytes("00 00") },
      { type: "awareness", update: bytes("00") },
    ],
  ],
];

test.each(messages)("reads %s", (_name, hex, expected) => {
  expect([...wire.decodeFrame(bytes(hex))]).toEqual(expected);
});

test("writes what it reads", () => {
  expect(wire.encodeStep1(bytes("00"))).toEqual(bytes("00 00 01 00"));
  expect(wire.encodeStep2(bytes("00 00"))).toEqual(bytes("00 01 02 00 00"));
  expect(wire.encodeUpdate(bytes("00 00"))).toEqual(bytes("00 02 02 00 00"));
  expect(wire.encodeAwareness(bytes("00"))).toEqual(bytes("01 01 00"));
});

test.each(["00 02 05 00", "80", "01 7f"])("throws on the broken frame %s", (hex) => {
  expect(() => [...wire.decodeFrame(bytes(hex))]).toThrow();
});
