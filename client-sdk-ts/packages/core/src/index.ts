// The map of the package, in reading order: a room, what it shows, and what can be replaced in it.

export type { Refusal } from "./close.js";
export type { Status } from "./connection.js";
export type { Environment, Network, NetworkEvent, Socket, SocketClass } from "./environment.js";
export type { RoomEvents, RoomOptions, TokenSource } from "./room.js";
export { Room } from "./room.js";
export type { Saved } from "./saved.js";
