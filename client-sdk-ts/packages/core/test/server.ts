// A server in a few lines: what it holds in memory, what is on its disk, and the echo that tells them apart.

import * as Y from "yjs";
import * as wire from "../src/wire.js";
import type { FakeSocket } from "./fakes.js";

export class FakeServer {
  memory = new Y.Doc();
  disk = new Y.Doc();
  /** News that wait for the next commit. */
  #news: Uint8Array[] = [];
  /** What was no news, and whose author hears after the next commit that it is durable. */
  #known: [FakeSocket, Uint8Array][] = [];
  readonly #members = new Set<FakeSocket>();

  join(socket: FakeSocket): void {
    this.#members.add(socket);
    socket.receive(wire.encodeStep1(Y.encodeStateVector(this.memory)));
  }

  leave(socket: FakeSocket): void {
    this.#members.delete(socket);
  }

  /** Reads all that the members have sent. */
  read(): void {
    for (const socket of this.#members) {
      for (const message of socket.take()) {
        if (message.type === "step1") {
          const update = Y.encodeStateAsUpdate(this.memory, message.stateVector);
          socket.receive(wire.encodeStep2(update));
        } else if (message.type === "step2" || message.type === "update") {
          const news = this.#integrate(message.update);
          if (news !== null) this.#news.push(news);
          else this.#known.push([socket, message.update]);
        }
      }
    }
  }

  /** Writes the news to the disk, and then sends them to everybody, their authors included. */
  commit(): void {
    if (this.#news.length > 0) {
      const update = Y.mergeUpdates(this.#news.splice(0));
      Y.applyUpdate(this.disk, update);
      for (const socket of this.#members) socket.receive(wire.encodeUpdate(update));
    }
    for (const [socket, update] of this.#known.splice(0)) {
      if (this.#members.has(socket)) socket.receive(wire.encodeUpdate(update));
    }
  }

  /** Dies without a word: what was not committed is gone. */
  crash(): void {
    const members = [...this.#members];
    this.#members.clear();
    this.#news = [];
    this.#known = [];
    this.memory = new Y.Doc();
    Y.applyUpdate(this.memory, Y.encodeStateAsUpdate(this.disk));
    for (const socket of members) socket.end(1006);
  }

  /** What of the update is new, without the rest: that is all that is relayed. Null if nothing is. */
  #integrate(update: Uint8Array): Uint8Array | null {
    let news: Uint8Array | null = null;
    const keep = (bytes: Uint8Array) => {
      news = bytes;
    };
    this.memory.on("update", keep);
    Y.applyUpdate(this.memory, update);
    this.memory.off("update", keep);
    return news;
  }
}
