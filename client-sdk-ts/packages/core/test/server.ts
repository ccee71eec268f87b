// A server in a few lines: what it holds in memory, what is on its disk, and the numbers that tell them apart.

import * as Y from "yjs";
import {
  type Addressed,
  type ClientMessage,
  CONNECTION,
  type Join,
  type RoomMessage,
} from "../src/wire.js";
import { type FakeSocket, welcome } from "./fakes.js";

interface Seat {
  readonly document: Document;
  /** The highest number that was read, and the highest that was confirmed. */
  readSeq: number;
  savedSeq: number;
  isDenied: boolean;
}

interface Document {
  epoch: number;
  memory: Y.Doc;
  disk: Y.Doc;
  /** News that wait for the next commit, and whose they are. */
  news: { readonly update: Uint8Array; readonly author: Seat }[];
}

type Session = Map<number, Seat>;

export class FakeServer {
  /** What everybody may do who joins from now on. */
  role = "editor";
  /** What answers to the chat. */
  onChat: (socket: FakeSocket, call: Addressed<ClientMessage & { type: "chatCall" }>) => void =
    () => {};
  readonly #documents = new Map<string, Document>();
  readonly #sessions = new Map<FakeSocket, Session>();

  get socketsCount(): number {
    return this.#sessions.size;
  }

  disk(name = "room"): Y.Doc {
    return this.#document(name).disk;
  }

  epoch(name = "room"): number {
    return this.#document(name).epoch;
  }

  accept(socket: FakeSocket): void {
    this.#sessions.set(socket, new Map());
  }

  /** The far end of this socket is gone. What was sent and not read is lost. */
  leave(socket: FakeSocket): void {
    this.#sessions.delete(socket);
  }

  /** Reads all that was sent. */
  read(): void {
    for (const socket of this.#sessions.keys()) this.readFrom(socket);
  }

  /** Reads so many messages, or all. */
  readFrom(socket: FakeSocket, count = Number.POSITIVE_INFINITY): void {
    const session = this.#sessions.get(socket);
    if (session === undefined) return;
    for (const message of socket.take().slice(0, count)) {
      const { channel } = message;
      const seat = session.get(channel);
      if (message.type === "hello") socket.say(welcome());
      else if (message.type === "pong") continue;
      else if (message.type === "ping")
        socket.say({ ...message, type: "pong", channel: CONNECTION });
      else if (message.type === "join") this.#join(socket, session, message);
      else if (message.type === "leave") session.delete(channel);
      else if (seat === undefined) continue;
      else if (message.type === "chatCall") this.onChat(socket, message);
      else if (message.type === "awareness") this.#pass(seat, message);
      else if (message.type === "event") this.#pass(seat, { ...message, user: "" });
      else if (message.type === "diff" || message.type === "edit") {
        this.#write(socket, channel, seat, message);
      }
    }
  }

  /** Writes the news to the disk, and then tells: the others what is new, and the authors that it is saved. */
  commit(): void {
    for (const document of this.#documents.values()) {
      const news = document.news.splice(0);
      if (news.length > 0) Y.applyUpdate(document.disk, merged(news));
      for (const [socket, channel, seat] of this.#seats(document)) {
        const foreign = news.filter(({ author }) => author !== seat);
        if (foreign.length > 0) socket.say({ channel, type: "update", update: merged(foreign) });
        if (seat.readSeq === seat.savedSeq) continue;
        seat.savedSeq = seat.readSeq;
        socket.say({ channel, type: "saved", seq: seat.savedSeq });
      }
    }
  }

  /** What a server says every 10 s (NA10). */
  breathe(): void {
    for (const socket of this.#sessions.keys()) {
      socket.say({ channel: CONNECTION, type: "ping", payload: new Uint8Array() });
    }
  }

  /** Dies without a word: what was not committed is gone. */
  crash(): void {
    const sockets = [...this.#sessions.keys()];
    this.#sessions.clear();
    for (const document of this.#documents.values()) {
      document.news = [];
      document.memory = new Y.Doc();
      Y.applyUpdate(document.memory, Y.encodeStateAsUpdate(document.disk));
    }
    for (const socket of sockets) socket.end(1006);
  }

  /** Another document under the same name: those who have the old one are sent away. */
  replace(name: string, text: string): void {
    const document = this.#document(name);
    const seats = [...this.#seats(document)];
    document.epoch += 1;
    document.memory = new Y.Doc();
    document.memory.getText("t").insert(0, text);
    document.disk = new Y.Doc();
    Y.applyUpdate(document.disk, Y.encodeStateAsUpdate(document.memory));
    document.news = [];
    for (const [socket, channel] of seats) {
      this.#sessions.get(socket)?.delete(channel);
      socket.say(replaced(channel, document.epoch));
    }
  }

  /** Ends a channel, for now. */
  kick(socket: FakeSocket, channel: number): void {
    if (!this.#sessions.get(socket)?.delete(channel)) return;
    socket.say({ channel, type: "left", code: 1013, reason: "come back later", epoch: 0 });
  }

  /** Gives everybody another role. */
  setRole(role: string): void {
    this.role = role;
    for (const document of this.#documents.values()) {
      for (const [socket, channel] of this.#seats(document)) {
        socket.say({ channel, type: "role", role });
      }
    }
  }

  #join(socket: FakeSocket, session: Session, join: Addressed<Join>): void {
    const { channel } = join;
    if (session.has(channel)) throw new Error("a channel that is in use");
    const document = this.#document(join.name);
    if (join.epoch !== 0 && join.epoch !== document.epoch) {
      socket.say(replaced(channel, document.epoch));
      return;
    }
    session.set(channel, { document, readSeq: 0, savedSeq: 0, isDenied: false });
    socket.say(
      { channel, type: "joined", epoch: document.epoch, role: this.role, user: "" },
      { channel, type: "stateVector", stateVector: Y.encodeStateVector(document.memory) },
      { channel, type: "diff", update: Y.encodeStateAsUpdate(document.memory, join.stateVector) },
      { channel, type: "awareness", update: new Uint8Array([0]) },
    );
  }

  #write(
    socket: FakeSocket,
    channel: number,
    seat: Seat,
    { seq, update }: { seq: number; update: Uint8Array },
  ): void {
    if (seq !== seat.readSeq + 1 && !seat.isDenied) throw new Error(`${seq} is out of order`);
    if (this.role === "viewer" && !holds(seat.document.memory, update)) {
      if (!seat.isDenied) socket.say({ channel, type: "refused", reason: "you may only read" });
      seat.isDenied = true;
      return;
    }
    // One that has a hole in what it wrote gets nothing more confirmed.
    if (seat.isDenied) return;
    seat.readSeq = seq;
    const { memory, news } = seat.document;
    const keep = (fresh: Uint8Array) => news.push({ update: fresh, author: seat });
    memory.on("update", keep);
    Y.applyUpdate(memory, update);
    memory.off("update", keep);
    if (memory.store.pendingStructs !== null) throw new Error("an update without its past");
  }

  #pass(from: Seat, message: RoomMessage): void {
    for (const [socket, channel, seat] of this.#seats(from.document)) {
      if (seat !== from) socket.say({ ...message, channel });
    }
  }

  *#seats(document: Document): Generator<[FakeSocket, number, Seat]> {
    for (const [socket, session] of this.#sessions) {
      for (const [channel, seat] of [...session]) {
        if (seat.document === document) yield [socket, channel, seat];
      }
    }
  }

  #document(name: string): Document {
    let document = this.#documents.get(name);
    if (document === undefined) {
      document = { epoch: 1, memory: new Y.Doc(), disk: new Y.Doc(), news: [] };
      this.#documents.set(name, document);
    }
    return document;
  }
}

/** Whether `doc` has every insert and every deletion of the update. */
export function holds(doc: Y.Doc, update: Uint8Array): boolean {
  const probe = new Y.Doc();
  Y.applyUpdate(probe, Y.encodeStateAsUpdate(doc));
  let changed = false;
  probe.on("update", () => {
    changed = true;
  });
  Y.applyUpdate(probe, update);
  return !changed;
}

function merged(news: readonly { readonly update: Uint8Array }[]): Uint8Array {
  return Y.mergeUpdates(news.map(({ update }) => update));
}

function replaced(channel: number, epoch: number): Addressed<RoomMessage> {
  const reason = "the document was replaced; drop your copy";
  return { channel, type: "left", code: 4409, reason, epoch };
}
