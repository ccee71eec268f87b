// One connection and the rooms that share it: who speaks on which channel, with which token, in how many frames.

import { CLOSE_BROKEN, type Refusal } from "./close.js";
import { AUTHORIZE_MS_MAX, Connection, type Status } from "./connection.js";
import type { Environment } from "./environment.js";
import type { Report } from "./error.js";
import { askToken, type TokenSource } from "./token.js";
import type { Transport, TransportOption } from "./transport.js";
import * as wire from "./wire.js";

/** What this package calls itself. */
export const CLIENT_NAME = "core/0.1.0";
/** What goes together into one frame. A message that is larger goes alone. */
const BATCH_BYTES_MAX = 64 * 1024;

/** What the link tells each room. */
export interface Member {
  /** There is a connection: what is sent before this returns leaves in one frame with the Hello. */
  onOpen(): void;
  onLost(): void;
  /** The connection is in doubt, because the page or the network was away. */
  onProbe(): void;
  onStatus(): void;
}

export interface LinkOptions {
  readonly url: string;
  readonly token: TokenSource | undefined;
  readonly environment: Environment;
  readonly report: Report;
  readonly transport?: TransportOption | undefined;
  readonly onStatus?: (status: Status) => void;
}

export class Link {
  readonly environment: Environment;
  readonly report: Report;
  readonly #token: TokenSource | undefined;
  readonly #onStatus: ((status: Status) => void) | undefined;
  readonly #connection: Connection;
  readonly #members = new Set<Member>();
  readonly #channels = new Map<number, (message: wire.RoomMessage) => void>();
  /** No number is used twice on a connection: what is still on its way for an old one would come to the new one. */
  #lastChannel = 0;
  /** What leaves at the end of the batch; null while there is none. */
  #outbox: Uint8Array<ArrayBuffer>[] | null = null;
  #frameBytesMax = Number.POSITIVE_INFINITY;
  /** A new token on its way, for all that wait for one. One that does not come is asked for again. */
  #renewal: { readonly done: Promise<void>; readonly endsAt: number } | null = null;

  constructor({ url, token, environment, report, transport, onStatus }: LinkOptions) {
    this.environment = environment;
    this.report = report;
    this.#token = token;
    this.#onStatus = onStatus;
    this.#connection = new Connection({
      environment,
      address: `${url.replace(/^http/, "ws").replace(/\/+$/, "")}/v1/connect`,
      subprotocol: wire.SUBPROTOCOL,
      transport,
      batchBytesMax: () => this.#batchBytesMax,
      authorize: () => askToken(token),
      renewable: this.renewable,
      onOpen: (opened) => this.#onOpen(opened),
      onFrame: (bytes) => this.#onFrame(bytes),
      onLost: () => this.#onLost(),
      onProbe: () => this.#onProbe(),
      onStatus: (status) => this.#tellStatus(status),
      onError: report,
    });
  }

  get status(): Status {
    return this.#connection.status;
  }

  get retryAt(): number | null {
    return this.#connection.retryAt;
  }

  get refusal(): Refusal | null {
    return this.#connection.refusal;
  }

  get transport(): Transport | null {
    return this.#connection.transport;
  }

  /** Whether there can be a new token. */
  get renewable(): boolean {
    return typeof this.#token === "function";
  }

  /** The largest message that the server takes. */
  get frameBytesMax(): number {
    return this.#frameBytesMax;
  }

  connect(): void {
    this.#connection.connect();
  }

  disconnect(): void {
    this.#flush();
    this.#connection.disconnect();
  }

  destroy(): void {
    this.#flush();
    this.#connection.destroy();
    this.#members.clear();
  }

  add(member: Member): void {
    this.#members.add(member);
  }

  remove(member: Member): void {
    this.#members.delete(member);
  }

  /** A channel of the present connection. It ends with that, or with `closeChannel`. */
  openChannel(onMessage: (message: wire.RoomMessage) => void): number {
    this.#lastChannel += 1;
    this.#channels.set(this.#lastChannel, onMessage);
    return this.#lastChannel;
  }

  closeChannel(channel: number): void {
    this.#channels.delete(channel);
  }

  /** Says whether there was an open connection to give it to. */
  send(message: Uint8Array<ArrayBuffer>): boolean {
    if (this.#outbox === null) return this.#connection.send(message);
    this.#outbox.push(message);
    return this.status === "connected";
  }

  /** What is sent meanwhile leaves together. */
  batch(run: () => void): void {
    if (this.#outbox !== null) {
      run();
      return;
    }
    this.#outbox = [];
    try {
      run();
    } finally {
      this.#flush();
      this.#outbox = null;
    }
  }

  /** Gets a new token, and tells it to the server. Many may ask at once: they share the answer. */
  renew(): Promise<void> {
    const now = this.environment.now();
    if (this.#renewal !== null && now < this.#renewal.endsAt) return this.#renewal.done;
    const done = askToken(this.#token).then((token) => this.#send({ type: "token", token }));
    const renewal = { done, endsAt: now + AUTHORIZE_MS_MAX };
    const forget = () => {
      if (this.#renewal === renewal) this.#renewal = null;
    };
    done.then(forget, forget);
    this.#renewal = renewal;
    return done;
  }

  #send(message: wire.ClientMessage): void {
    this.send(wire.encodeMessage(wire.CONNECTION, message));
  }

  #flush(): void {
    const messages = this.#outbox?.splice(0) ?? [];
    while (messages.length > 0) {
      const count = wire.fittingCount(messages, this.#batchBytesMax);
      this.#connection.send(wire.frameOf(messages.splice(0, count)));
    }
  }

  get #batchBytesMax(): number {
    return Math.min(this.#frameBytesMax, BATCH_BYTES_MAX);
  }

  #onOpen(token: string): void {
    const { inflate } = this.environment;
    this.batch(() => {
      this.#send({
        type: "hello",
        version: wire.VERSION,
        capabilities: inflate === null ? 0 : wire.CAN_DEFLATED_DIFF,
        client: CLIENT_NAME,
        token,
      });
      this.#each((member) => member.onOpen());
    });
  }

  #onLost(): void {
    this.#channels.clear();
    this.#lastChannel = 0;
    this.#frameBytesMax = Number.POSITIVE_INFINITY;
    this.#each((member) => member.onLost());
  }

  #onProbe(): void {
    this.batch(() => {
      this.#send({ type: "ping", payload: new Uint8Array() });
      this.#each((member) => member.onProbe());
    });
  }

  #tellStatus(status: Status): void {
    this.#each((member) => member.onStatus());
    this.#onStatus?.(status);
  }

  #onFrame(bytes: Uint8Array): void {
    this.batch(() => {
      try {
        for (const message of wire.decodeFrame(bytes)) {
          if (wire.isOfRoom(message)) this.#channels.get(message.channel)?.(message);
          else this.#onMessage(message);
          // It, or an observer that it woke, may have ended the connection.
          if (this.status !== "connected") return;
        }
      } catch (error) {
        this.report(error);
        this.#connection.lose();
      }
    });
  }

  #onMessage(message: wire.ConnectionMessage): void {
    switch (message.type) {
      case "welcome":
        this.#onWelcome(message);
        break;
      case "renew":
        // A token that is text ends when it ends.
        if (this.renewable) this.renew().catch(this.report);
        break;
      case "ping":
        this.#send({ type: "pong", payload: message.payload });
        break;
      case "pong":
        break;
      case "goAway":
        this.#connection.goAway(message.delayMs);
        break;
      case "closed":
        this.#connection.end({ code: message.code, reason: message.reason });
        break;
    }
  }

  #onWelcome({ version, frameBytesMax, silenceMs }: wire.Welcome): void {
    if (version !== wire.VERSION) {
      const reason = `the server speaks version ${version}, and this client ${wire.VERSION}`;
      this.#connection.end({ code: CLOSE_BROKEN, reason });
      return;
    }
    this.#frameBytesMax = frameBytesMax;
    this.#connection.expectWithin(silenceMs);
  }

  /** A copy, because one may come or go while they are told. */
  #each(tell: (member: Member) => void): void {
    for (const member of [...this.#members]) tell(member);
  }
}
