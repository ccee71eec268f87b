/** The map of the package, in reading order: a client, its rooms, what they show, and what can be replaced in them. @module @roomtone/core */

export { Client, type ClientEvents, type ClientOptions } from "./client.js";
export type { Refusal } from "./close.js";
export type { Status } from "./connection.js";
export type {
  Environment,
  HttpRequest,
  HttpResponse,
  Network,
  NetworkEvent,
  Socket,
  SocketClass,
} from "./environment.js";
export { type ErrorCode, RoomtoneError } from "./error.js";
export type { Json, RoomEvent } from "./event.js";
export type { Inflate } from "./inflate.js";
export type { OpenOptions, RoomEvents, RoomOptions } from "./room.js";
export { Room } from "./room.js";
export type { Saved } from "./saved.js";
export { guestToken, type TokenSource } from "./token.js";
export type { Transport, TransportOption } from "./transport.js";
export { type UndoOptions, type UndoScope, undoOf } from "./undo.js";
export { guardUnload } from "./unload.js";
