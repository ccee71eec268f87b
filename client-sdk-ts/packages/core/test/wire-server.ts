// What a server writes. Only tests need it.

import * as encoding from "lib0/encoding";
import { type Addressed, envelope, frameOf, type ServerMessage, TYPE } from "../src/wire.js";

/** A frame from the server. */
export function serverFrame(
  ...messages: readonly Addressed<ServerMessage>[]
): Uint8Array<ArrayBuffer> {
  return frameOf(
    messages.map((message) =>
      envelope(message.channel, TYPE[message.type], (body) => writeBody(body, message)),
    ),
  );
}

function writeBody(body: encoding.Encoder, message: ServerMessage): void {
  switch (message.type) {
    case "welcome":
      encoding.writeVarUint(body, message.version);
      encoding.writeVarUint(body, message.capabilities);
      encoding.writeVarString(body, message.session);
      encoding.writeVarUint(body, message.timeMs);
      encoding.writeVarUint(body, message.frameBytesMax);
      encoding.writeVarUint(body, message.roomsMax);
      encoding.writeVarUint(body, message.silenceMs);
      break;
    case "renew":
      encoding.writeVarUint(body, message.leftMs);
      break;
    case "ping":
    case "pong":
      encoding.writeUint8Array(body, message.payload);
      break;
    case "goAway":
      encoding.writeVarUint(body, message.delayMs);
      encoding.writeVarString(body, message.reason);
      break;
    case "closed":
      encoding.writeVarUint(body, message.code);
      encoding.writeVarString(body, message.reason);
      break;
    case "joined":
      encoding.writeVarUint(body, message.epoch);
      encoding.writeVarString(body, message.role);
      encoding.writeVarString(body, message.user);
      break;
    case "left":
      encoding.writeVarUint(body, message.code);
      encoding.writeVarString(body, message.reason);
      encoding.writeVarUint(body, message.epoch);
      break;
    case "role":
      encoding.writeVarString(body, message.role);
      break;
    case "stateVector":
      encoding.writeUint8Array(body, message.stateVector);
      break;
    case "diff":
    case "update":
    case "awareness":
      encoding.writeUint8Array(body, message.update);
      break;
    case "saved":
      encoding.writeVarUint(body, message.seq);
      break;
    case "refused":
      encoding.writeVarString(body, message.reason);
      break;
    case "deflatedDiff":
      encoding.writeUint8Array(body, message.deflated);
      break;
    case "event":
      encoding.writeVarString(body, message.user);
      encoding.writeVarString(body, message.name);
      encoding.writeVarString(body, message.payload);
      break;
    case "chatAnswer":
      encoding.writeVarUint(body, message.call);
      encoding.writeVarString(body, message.answer);
      break;
    case "chatChange":
      encoding.writeVarString(body, message.change);
      break;
  }
}
