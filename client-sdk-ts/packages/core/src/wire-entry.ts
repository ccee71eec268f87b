// The entry for tools that look at what goes over the wire.

export { inflate } from "./inflate.js";
export {
  type Addressed,
  type ClientMessage,
  CONNECTION,
  decodeFrame,
  encodeMessage,
  type ServerMessage,
  TYPE,
} from "./wire.js";
export { decodeClientFrame } from "./wire-client.js";
export { type Part, partsOf, readPart } from "./wire-parts.js";
