// One connection to a server, for as many rooms as a page has.

import type { Refusal } from "./close.js";
import type { Status } from "./connection.js";
import { Emitter, type Listener } from "./emitter.js";
import { type Environment, environment } from "./environment.js";
import { type Report, RoomtoneError, reporter } from "./error.js";
import { Link } from "./link.js";
import { type OpenOptions, Room } from "./room.js";
import type { TokenSource } from "./token.js";
import type { Transport, TransportOption } from "./transport.js";

/** What a client can be given when it is made. */
export interface ClientOptions {
  /** The server: `wss://example.org`, with a path if it is mounted below one. `http(s)` will do as well. */
  readonly url: string;
  /** For all rooms that bring none of their own. */
  readonly token?: TokenSource;
  /** Is told what listeners and observers of the application throw, and what the server sends broken. */
  readonly onError?: Report;
  /**
   * What the connection goes over. `auto`, the default: a WebSocket, and plain HTTP where a proxy lets none pass.
   */
  readonly transport?: TransportOption;
  readonly environment?: Partial<Environment>;
}

/** What a client tells, and with what: for `on`. */
export type ClientEvents = {
  status: { readonly status: Status };
  /** The server will not have this client, in any room. `connect()` tries again. */
  refused: Refusal;
};

/** One connection to a server, for as many rooms as a page has. It is made with the first room that is opened. */
export class Client {
  readonly #options: ClientOptions;
  readonly #emitter: Emitter<ClientEvents>;
  readonly #link: Link;
  readonly #rooms = new Set<Room>();
  #destroyed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    const report = reporter(options.onError);
    this.#emitter = new Emitter(report);
    this.#link = new Link({
      url: options.url,
      token: options.token,
      environment: environment(options.environment),
      report,
      transport: options.transport,
      onStatus: (status) => this.#onStatus(status),
    });
  }

  /** How the connection is doing. */
  get status(): Status {
    return this.#link.status;
  }

  /** What the connection goes over; null while there is none. */
  get transport(): Transport | null {
    return this.#link.transport;
  }

  /** Why the server will not have this client, while it is refused. */
  get refusal(): Refusal | null {
    return this.#link.refusal;
  }

  /** When the next attempt to connect will be made, in milliseconds since 1970, while one is waited for. */
  get retryAt(): number | null {
    return this.#link.retryAt;
  }

  /** Opens a room, and the connection with the first one. The room ends with its `destroy()`, or with this client's. */
  open(name: string, options: OpenOptions = {}): Room {
    if (this.#destroyed) {
      throw new RoomtoneError("client_destroyed", "This client was destroyed: make a new one");
    }
    const { url, onError } = this.#options;
    const room = new Room(
      { ...options, url, name, ...(onError === undefined ? {} : { onError }) },
      this.#link,
    );
    this.#rooms.add(room);
    room.on("destroy", () => this.#rooms.delete(room));
    return room;
  }

  /** Returns the way to unsubscribe. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: Listener<ClientEvents[Name]>,
  ): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Takes away a listener that `on` was given. */
  off<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): void {
    this.#emitter.off(name, listener);
  }

  /** Connects now: also after `disconnect()`, after a refusal, and instead of waiting for the next attempt. */
  connect(): void {
    if (!this.#destroyed) this.#link.connect();
  }

  /** Closes the connection and stays away. The rooms go on, and what is done in them counts as unsaved. */
  disconnect(): void {
    this.#link.disconnect();
  }

  /** Leaves all rooms for good, and the server. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#link.batch(() => {
      for (const room of [...this.#rooms]) room.destroy();
    });
    this.#link.destroy();
    this.#emitter.clear();
  }

  #onStatus(status: Status): void {
    this.#emitter.emit("status", { status });
    const { refusal } = this;
    if (refusal !== null) this.#emitter.emit("refused", refusal);
  }
}
