// The dialect roomtone.v1, read as a server reads it: what a client said. The client itself never needs it.

import * as decoding from "lib0/decoding";
import { type Addressed, type ClientMessage, readFrame, readRest, TYPE } from "./wire.js";

/** Reads a frame from a client, as `decodeFrame` reads one from the server. */
export function decodeClientFrame(bytes: Uint8Array): Generator<Addressed<ClientMessage>> {
  return readFrame(bytes, readBody);
}

function readBody(type: number, body: decoding.Decoder): ClientMessage | null {
  switch (type) {
    case TYPE.hello:
      return {
        type: "hello",
        version: decoding.readVarUint(body),
        capabilities: decoding.readVarUint(body),
        client: decoding.readVarString(body),
        token: decoding.readVarString(body),
      };
    case TYPE.token:
      return { type: "token", token: decoding.readVarString(body) };
    case TYPE.ping:
      return { type: "ping", payload: readRest(body) };
    case TYPE.pong:
      return { type: "pong", payload: readRest(body) };
    case TYPE.join:
      return {
        type: "join",
        name: decoding.readVarString(body),
        epoch: decoding.readVarUint(body),
        token: decoding.readVarString(body),
        stateVector: decoding.readVarUint8Array(body),
      };
    case TYPE.leave:
      return { type: "leave" };
    case TYPE.stateVector:
      return { type: "stateVector", stateVector: readRest(body) };
    case TYPE.diff:
      return { type: "diff", seq: decoding.readVarUint(body), update: readRest(body) };
    case TYPE.edit:
      return { type: "edit", seq: decoding.readVarUint(body), update: readRest(body) };
    case TYPE.awareness:
      return { type: "awareness", update: readRest(body) };
    case TYPE.event:
      return {
        type: "event",
        name: decoding.readVarString(body),
        payload: decoding.readVarString(body),
      };
    case TYPE.chatCall:
      return {
        type: "chatCall",
        call: decoding.readVarUint(body),
        request: decoding.readVarString(body),
      };
    default:
      return null;
  }
}
