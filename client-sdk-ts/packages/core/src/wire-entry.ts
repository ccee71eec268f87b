// The entry for those who look at what goes over the wire, and do not speak on it.

export {
  type Addressed,
  type ClientMessage,
  CONNECTION,
  decodeFrame,
  type ServerMessage,
  TYPE,
} from "./wire.js";
export { decodeClientFrame } from "./wire-client.js";
export { type Part, partsOf, readPart } from "./wire-parts.js";
