// A room for a rendering on a server: empty, alone, and with nothing that would keep the process busy.

import { Room, type RoomOptions } from "@roomtone/core";

/** Takes the place of a socket class in runtimes that have none. It is never asked for a socket. */
class NoSocket {
  constructor() {
    throw new Error("A room that is rendered on a server does not connect");
  }
}

/** Not the application's document either: the room would leave its listeners there with each request. */
export function serverRoom({ url, name }: RoomOptions): Room {
  const environment = {
    WebSocket: NoSocket as never,
    network: { subscribe: () => () => {} },
    inflate: null,
  };
  const room = new Room({ url, name, connect: false, environment });
  // Its timer would go on for ever.
  room.awareness.destroy();
  return room;
}
