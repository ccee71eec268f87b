// The recording alone, for pages that fetch the panel only when somebody opens it.

export type { Direction, Frame, WireEvent, WireEventContent } from "./frame.js";
export { Inspector, type InspectorOptions } from "./inspector.js";
export type { Second, Traffic } from "./traffic.js";
