// The map of the package: what listens to a room's connection, and the element that shows it. Importing defines the element.

import { defineDevtools } from "./define.js";

export { defineDevtools, type RoomtoneDevtoolsElement } from "./define.js";
export type { Direction, Frame, WireEvent, WireEventContent } from "./inspector/frame.js";
export { Inspector, type InspectorOptions } from "./inspector/inspector.js";
export type { Second, Traffic } from "./inspector/traffic.js";

defineDevtools();
