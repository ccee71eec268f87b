// A provider over a real room, a clock and sockets that tests move by hand, and a server in a few lines.

import { act, type RenderResult, render } from "@testing-library/react";
import { type ReactNode, StrictMode } from "react";
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import { type FakeSocket, World } from "../../core/test/fakes.js";
import { FakeServer } from "../../core/test/server.js";
import { RoomProvider, type RoomProviderProps, useRoom } from "../src/index.js";

type Room = ReturnType<typeof useRoom>;

export class Stage {
  readonly world = new World();
  readonly server = new FakeServer();
  /** Every room that was rendered, in its order and without doubles. */
  readonly rooms: Room[] = [];
  readonly strict: boolean;
  #view: RenderResult | null = null;

  constructor({ strict = false } = {}) {
    this.strict = strict;
    this.world.random = () => 0;
  }

  get room(): Room {
    const room = this.rooms.at(-1);
    if (room === undefined) throw new Error("nothing was rendered");
    return room;
  }

  get html(): string {
    return this.#view?.container.innerHTML ?? "";
  }

  /** Renders, or renders anew, with these children below a provider. */
  show(children: ReactNode, props: Partial<RoomProviderProps> = {}): void {
    const all = { ...this.props, ...props } as RoomProviderProps;
    this.render(
      <RoomProvider {...all}>
        <Witness rooms={this.rooms} />
        {children}
      </RoomProvider>,
    );
  }

  render(node: ReactNode): void {
    const tree = this.strict ? <StrictMode>{node}</StrictMode> : node;
    if (this.#view === null) this.#view = render(tree);
    else this.#view.rerender(tree);
  }

  leave(): void {
    this.#view?.unmount();
    this.#view = null;
  }

  readonly props = {
    url: "ws://server",
    name: "room",
    environment: this.world.environment,
    onError: (error: unknown) => void this.world.errors.push(error),
  };

  get open(): FakeSocket[] {
    return this.world.sockets.filter(({ state }) => state !== "closed");
  }

  /** Opens the newest socket, and lets client and server tell each other what they have. */
  async join(): Promise<FakeSocket> {
    let socket: FakeSocket | undefined;
    await act(async () => {
      this.world.clock.advance(0);
      socket = await this.world.dial();
      this.admit(socket);
    });
    return socket as FakeSocket;
  }

  /** Two turns: what comes back after the server's answers is read as well. */
  admit(socket: FakeSocket): void {
    this.server.accept(socket);
    this.server.read();
    this.server.read();
  }

  async drop(code = 1006, reason = ""): Promise<void> {
    await act(async () => {
      this.server.leave(this.world.socket);
      this.world.socket.end(code, reason);
    });
  }

  async pass(ms: number): Promise<void> {
    await act(async () => this.world.clock.advance(ms));
  }

  async commit(): Promise<void> {
    await act(async () => {
      this.server.read();
      this.server.commit();
    });
  }

  /** Somebody else edits, and the server tells. */
  async edit(change: (doc: Y.Doc) => void): Promise<void> {
    await act(async () => {
      const doc = new Y.Doc();
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(this.room.doc));
      change(doc);
      Y.applyUpdate(this.room.doc, Y.encodeStateAsUpdate(doc), this.room);
    });
  }

  /** Somebody else shows something; null: they leave. */
  async meet(clientId: number, state: Record<string, unknown> | null): Promise<void> {
    await act(async () => this.tell(clientId, state));
  }

  tell(clientId: number, state: Record<string, unknown> | null): void {
    const awareness = new Awareness(new Y.Doc());
    awareness.clientID = clientId;
    if (state !== null) awareness.states.set(clientId, state);
    const clock = (this.room.awareness.meta.get(clientId)?.clock ?? 0) + 1;
    awareness.meta.set(clientId, { clock, lastUpdated: 0 });
    applyAwarenessUpdate(
      this.room.awareness,
      encodeAwarenessUpdate(awareness, [clientId]),
      this.room,
    );
    awareness.destroy();
  }
}

/** Notes the rooms that it is given. */
export function Witness({ rooms }: { readonly rooms: Room[] }): ReactNode {
  const room = useRoom();
  if (!rooms.includes(room)) rooms.push(room);
  return null;
}

/** Says what it is told to read, and counts how often it was rendered. */
export function counted<Value>(read: () => Value) {
  const seen: Value[] = [];
  function Counted(): ReactNode {
    seen.push(read());
    return null;
  }
  return { Counted, seen };
}
