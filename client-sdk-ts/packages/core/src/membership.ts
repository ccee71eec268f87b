// The place of one room on the link: a state machine that joins, comes back after each loss, and stays away.

import { Backoff, STABLE_MS_MIN } from "./backoff.js";
import { CLOSE_REPLACED, CLOSE_TOO_LARGE, type Refusal, verdict } from "./close.js";
import { AUTHORIZE_MS_MAX, type Status } from "./connection.js";
import { Inbox } from "./inbox.js";
import type { Link, Member } from "./link.js";
import { askToken, type TokenSource } from "./token.js";
import * as wire from "./wire.js";

type State =
  | { readonly name: "out" }
  /** It wants to be in the room, and there is no connection. */
  | { readonly name: "away" }
  | { readonly name: "authorizing" }
  | { readonly name: "joining"; readonly channel: number }
  | { readonly name: "joined"; readonly channel: number }
  /** The server ended the channel, and is asked again after a pause. */
  | { readonly name: "waiting"; readonly retryAt: number }
  | { readonly name: "refused"; readonly refusal: Refusal };

type Event =
  | "enter"
  | "opened"
  | "authorized"
  | "joined"
  | "left"
  | "again"
  | "refused"
  | "lost"
  | "leave";

/** What may happen in each state, and where it leads. What is not here is not possible or too late. */
const TRANSITIONS: { [Name in State["name"]]: { [Name in Event]?: State["name"] } } = {
  out: { enter: "away" },
  away: { opened: "authorizing", leave: "out" },
  authorizing: { authorized: "joining", left: "waiting", lost: "away", leave: "out" },
  joining: {
    joined: "joined",
    left: "waiting",
    refused: "refused",
    lost: "away",
    leave: "out",
  },
  joined: { left: "waiting", again: "away", refused: "refused", lost: "away", leave: "out" },
  waiting: { enter: "away", again: "away", lost: "away", leave: "out" },
  refused: { enter: "away", leave: "out" },
};

const STATUS: { [Name in Exclude<State["name"], "away">]: Status } = {
  out: "disconnected",
  authorizing: "connecting",
  joining: "connecting",
  joined: "connected",
  waiting: "connecting",
  refused: "refused",
};

export interface MembershipOptions {
  readonly link: Link;
  readonly name: string;
  /** Without it the room is joined with the token of the connection. */
  readonly token: TokenSource | undefined;
  /** What the client has: asked for at each Join. */
  readonly holdings: () => { readonly epoch: number; readonly stateVector: Uint8Array };
  /** Every message of the room, in order. */
  readonly onMessage: (message: wire.RoomMessage) => void;
  /** A membership is over, for whatever reason. */
  readonly onLost: () => void;
  readonly onProbe: () => void;
  readonly onStatus: (status: Status) => void;
}

export class Membership implements Member {
  #state: State = { name: "out" };
  /** Timers of the present state. Each dies with it. */
  readonly #timers = new Set<unknown>();
  readonly #options: MembershipOptions;
  readonly #link: Link;
  readonly #backoff: Backoff;
  #inbox: Inbox | null = null;
  /** Whether the token of the connection has to be a new one before the next Join. */
  #isTokenStale = false;
  /** Whether a new token was already tried since the last stable membership. */
  #renewed = false;
  /** The status that was told last. */
  #told: Status = "disconnected";

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#link = options.link;
    const { environment } = options.link;
    this.#backoff = new Backoff(environment.random, () => environment.now());
    this.#link.add(this);
  }

  get status(): Status {
    if (this.#state.name !== "away") return STATUS[this.#state.name];
    return this.#link.status === "connected" ? "connecting" : this.#link.status;
  }

  get refusal(): Refusal | null {
    if (this.#state.name === "refused") return this.#state.refusal;
    return this.#state.name === "away" ? this.#link.refusal : null;
  }

  get retryAt(): number | null {
    if (this.#state.name === "waiting") return this.#state.retryAt;
    return this.#state.name === "away" ? this.#link.retryAt : null;
  }

  /** Goes in now: also after a refusal, and instead of waiting. */
  enter(): void {
    this.#renewed = false;
    this.#link.connect();
    this.#go("enter", { name: "away" });
    this.onOpen();
  }

  leave(): void {
    this.#backoff.reset();
    this.#sendLeave();
    this.#go("leave", { name: "out" });
  }

  destroy(): void {
    this.leave();
    this.#link.remove(this);
  }

  /** Leaves and joins anew at once: both sides begin with what each has. */
  rejoin(): void {
    this.#sendLeave();
    this.#go("again", { name: "away" });
    this.onOpen();
  }

  /** Says whether the message is on its way. */
  send(message: wire.ClientMessage): boolean {
    if (this.#state.name !== "joined") return false;
    const bytes = wire.encodeMessage(this.#state.channel, message);
    if (bytes.length > this.#link.frameBytesMax) {
      // The server would end the connection, and each one after it: the message would be no smaller.
      const reason = `${bytes.length} bytes in one message are more than this server takes`;
      this.#sendLeave();
      this.#refuse({ code: CLOSE_TOO_LARGE, reason });
      return false;
    }
    return this.#link.send(bytes);
  }

  /** Gives up the channel, and comes back after a pause. */
  lose(): void {
    this.#sendLeave();
    this.#wait();
  }

  onOpen(): void {
    if (this.#link.status !== "connected") return;
    const state: State = { name: "authorizing" };
    this.#go("opened", state);
    if (this.#state !== state) return;
    const { token } = this.#options;
    const isPlain = typeof token !== "function" && !this.#isTokenStale;
    // No promise where none is needed: the Join goes into one frame with the Hello.
    if (isPlain) this.#join(token ?? "");
    else this.#authorize(state, token);
  }

  onLost(): void {
    this.#isTokenStale = false;
    this.#go("lost", { name: "away" });
    this.#tell();
  }

  onProbe(): void {
    if (this.#state.name === "joined") this.#options.onProbe();
  }

  onStatus(): void {
    this.#tell();
  }

  #authorize(state: State, source: TokenSource | undefined): void {
    this.#after(AUTHORIZE_MS_MAX, () => this.#wait());
    const token = source === undefined ? this.#link.renew().then(() => "") : askToken(source);
    // The promise may outlive the state: an answer that comes late belongs to nobody.
    token.then(
      (text) => {
        if (this.#state === state) this.#join(text);
      },
      (error: unknown) => {
        this.#link.report(error);
        if (this.#state === state) this.#wait();
      },
    );
  }

  #join(token: string): void {
    this.#isTokenStale = false;
    const channel = this.#link.openChannel((message) => this.#inbox?.push(message));
    this.#inbox = new Inbox({
      inflate: this.#link.environment.inflate,
      onMessage: (message) => this.#onMessage(message),
      batch: (run) => this.#link.batch(run),
      onBroken: (error) => {
        this.#link.report(error);
        this.lose();
      },
    });
    this.#go("authorized", { name: "joining", channel });
    const { name, holdings } = this.#options;
    const join = { type: "join", name, token, ...holdings() } as const;
    this.#link.send(wire.encodeMessage(channel, join));
  }

  #onMessage(message: wire.RoomMessage): void {
    if (message.type === "joined") this.#onJoined(message);
    else if (message.type === "left") this.#onLeft(message);
    else if (this.#state.name === "joined") this.#options.onMessage(message);
  }

  #onJoined(message: wire.Joined): void {
    const last = this.#state;
    if (last.name !== "joining") return;
    const { epoch } = this.#options.holdings();
    if (epoch !== 0 && epoch !== message.epoch) {
      // The server should have refused. To go on would put two documents into one.
      this.#sendLeave();
      const reason = "the server took a copy of another document";
      this.#onLeft({ type: "left", code: CLOSE_REPLACED, reason, epoch: message.epoch });
      return;
    }
    const state: State = { name: "joined", channel: last.channel };
    this.#go("joined", state, () => {
      this.#after(STABLE_MS_MIN, () => {
        this.#backoff.settle();
        this.#renewed = false;
      });
    });
    if (this.#state === state) this.#options.onMessage(message);
  }

  #onLeft(message: wire.Left): void {
    const next = verdict(message.code);
    const source = this.#options.token;
    const renewable = source === undefined ? this.#link.renewable : typeof source === "function";
    if (next === "renew" && renewable && !this.#renewed) {
      this.#renewed = true;
      this.#isTokenStale = source === undefined;
      this.#wait();
    } else if (next === "again") {
      this.#wait();
    } else {
      this.#refuse({ code: message.code, reason: message.reason });
      this.#options.onMessage(message);
    }
  }

  #wait(): void {
    const delayMs = this.#backoff.pauseMs();
    const retryAt = this.#link.environment.now() + delayMs;
    this.#go("left", { name: "waiting", retryAt }, () => {
      this.#backoff.grow();
      this.#after(delayMs, () => {
        this.#go("again", { name: "away" });
        this.onOpen();
      });
    });
  }

  #refuse(refusal: Refusal): void {
    this.#go("refused", { name: "refused", refusal });
  }

  #sendLeave(): void {
    if (!("channel" in this.#state)) return;
    this.#link.send(wire.encodeMessage(this.#state.channel, { type: "leave" }));
  }

  #after(ms: number, run: () => void): void {
    const { environment } = this.#link;
    const timer = environment.setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  /** The only place where the state changes, if the table allows it. */
  #go(event: Event, next: State, enter?: () => void): void {
    const last = this.#state;
    if (TRANSITIONS[last.name][event] !== next.name) return;
    this.#state = next;
    for (const timer of this.#timers) this.#link.environment.clearTimeout(timer);
    this.#timers.clear();
    if ("channel" in last && !("channel" in next)) this.#endChannel(last.channel);
    enter?.();
    // From here on the application is told, and what it does may move the state on. That step then reports.
    if (last.name === "joined") this.#options.onLost();
    if (this.#state === next) this.#tell();
  }

  #endChannel(channel: number): void {
    this.#link.closeChannel(channel);
    this.#inbox?.close();
    this.#inbox = null;
  }

  #tell(): void {
    const { status } = this;
    if (status === this.#told) return;
    this.#told = status;
    this.#options.onStatus(status);
  }
}
