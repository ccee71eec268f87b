// One socket at a time, and the way back after each loss: a state machine that knows nothing of documents.

import { Backoff, STABLE_MS_MIN } from "./backoff.js";
import { CLOSE_LOST, CLOSE_NORMAL, type Refusal, verdict } from "./close.js";
import type { Environment, NetworkEvent, Socket } from "./environment.js";
import { inquire, isAskedAbout, STATUS_UPGRADE_REQUIRED } from "./inquiry.js";
import { PolledSocket } from "./polled.js";
import {
  type Transport,
  TransportChoice,
  type TransportOption,
  WEBSOCKET_AGAIN_MS,
} from "./transport.js";

/**
 * `connecting`: an attempt is under way, or the next one is waited for. `refused`: the server will not have this client, and
 * nothing is tried before `connect()`. `disconnected`: nobody wants a connection.
 */
export type Status = "disconnected" | "connecting" | "connected" | "refused";

/** Time to get a token. Over it: the attempt has failed. */
export const AUTHORIZE_MS_MAX = 15_000;
/** Time for a socket to open. Over it: the attempt has failed. */
export const CONNECT_MS_MAX = 15_000;
/** A WebSocket that has let nothing through by then is doubted: whether the server answers a plain request says why. */
export const DOUBT_MS = 4_000;
/** A socket silent for longer than this is dead, as long as the server has not said another bound. */
export const SILENCE_MS_MAX = 30_000;
/** The server sends something at least every 10 s: a bound that is closer would end good sockets. */
export const SILENCE_MS_MIN = 12_000;
/** Time for a socket in doubt to show life, when the network or the page comes back. */
export const PROBE_MS_MAX = 5_000;
/** A server that goes away can ask for a pause of this length at most: the longest window of a drain. */
export const GO_AWAY_MS_MAX = 600_000;

type State =
  | { readonly name: "idle" }
  | { readonly name: "authorizing" }
  | { readonly name: "connecting"; readonly socket: Socket; readonly transport: Transport }
  | { readonly name: "open"; readonly socket: Socket; readonly transport: Transport }
  | { readonly name: "waiting"; readonly retryAt: number }
  | { readonly name: "refused"; readonly refusal: Refusal };

type Event = "connect" | "authorized" | "opened" | "lost" | "refused" | "retry" | "disconnect";

/** What may happen in each state, and where it leads. What is not here is not possible or too late. */
const TRANSITIONS: { [Name in State["name"]]: { [Name in Event]?: State["name"] } } = {
  idle: { connect: "authorizing" },
  authorizing: { authorized: "connecting", lost: "waiting", disconnect: "idle" },
  connecting: { opened: "open", lost: "waiting", refused: "refused", disconnect: "idle" },
  open: { lost: "waiting", refused: "refused", disconnect: "idle" },
  waiting: {
    connect: "authorizing",
    retry: "authorizing",
    refused: "refused",
    disconnect: "idle",
  },
  refused: { connect: "authorizing", disconnect: "idle" },
};

const STATUS: { [Name in State["name"]]: Status } = {
  idle: "disconnected",
  authorizing: "connecting",
  connecting: "connecting",
  open: "connected",
  waiting: "connecting",
  refused: "refused",
};

export interface ConnectionOptions {
  readonly environment: Environment;
  readonly address: string;
  readonly subprotocol: string;
  readonly transport: TransportOption | undefined;
  /** What frames that wait may have together when they are sent as one. */
  readonly batchBytesMax: () => number;
  /** The token to open with. Asked for at each attempt, because the last one may have expired. */
  readonly authorize: () => Promise<string>;
  /** Whether `authorize` can come up with a new token. */
  readonly renewable: boolean;
  readonly onOpen: (token: string) => void;
  readonly onFrame: (bytes: Uint8Array) => void;
  /** An open socket is gone, for whatever reason. */
  readonly onLost: () => void;
  /** The socket is in doubt: send something that the server answers. */
  readonly onProbe: () => void;
  readonly onStatus: (status: Status) => void;
  readonly onError: (error: unknown) => void;
}

export class Connection {
  #state: State = { name: "idle" };
  /** Timers of the present state. Each dies with it. */
  readonly #timers = new Set<unknown>();
  /** Attempts that failed since the last stable connection. */
  #attempt = 0;
  readonly #backoff: Backoff;
  /** How long the server asked to stay away, once it has said that it will close. */
  #awayMs: number | null = null;
  /** Whether a new token was already tried since the last stable connection. */
  #renewed = false;
  #heardAt = 0;
  #silenceMs = SILENCE_MS_MAX;
  #silenceTimer: unknown;
  /** Whether anything came since the last probe. */
  #answered = false;
  /** Whether the far end of the present socket has said anything. */
  #isHeard = false;
  readonly #choice: TransportChoice;
  /** Beside a connection over HTTP: is there a way for a WebSocket by now? */
  #trial: Socket | null = null;
  readonly #options: ConnectionOptions;
  readonly #environment: Environment;
  readonly #unsubscribe: () => void;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#environment = options.environment;
    this.#choice = new TransportChoice(options.transport);
    this.#backoff = new Backoff(this.#environment.random, () => this.#environment.now());
    this.#unsubscribe = this.#environment.network.subscribe((event) => this.#onNetwork(event));
  }

  get status(): Status {
    return STATUS[this.#state.name];
  }

  /** When the next attempt will be made, in milliseconds since 1970, if one is waited for. */
  get retryAt(): number | null {
    return this.#state.name === "waiting" ? this.#state.retryAt : null;
  }

  get refusal(): Refusal | null {
    return this.#state.name === "refused" ? this.#state.refusal : null;
  }

  /** Of the open connection. */
  get transport(): Transport | null {
    return this.#state.name === "open" ? this.#state.transport : null;
  }

  connect(): void {
    this.#renewed = false;
    this.#authorize("connect");
  }

  disconnect(): void {
    this.#forgetAttempts();
    this.#go("disconnect", { name: "idle" });
  }

  destroy(): void {
    this.#unsubscribe();
    this.disconnect();
  }

  /** Says whether there was an open socket to give it to. */
  send(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.#state.name !== "open") return false;
    try {
      this.#state.socket.send(bytes);
      return true;
    } catch (error) {
      this.#options.onError(error);
      this.lose();
      return false;
    }
  }

  /** Gives up the socket, and comes back. */
  lose(): void {
    const last = this.#state;
    const delayMs = this.#awayMs ?? this.#backoff.pauseMs();
    const retryAt = this.#environment.now() + delayMs;
    this.#go("lost", { name: "waiting", retryAt }, () => {
      this.#attempt += 1;
      // A server that told when to come back has spread its clients: nothing failed, and nothing need grow.
      if (this.#awayMs === null) this.#backoff.grow();
      this.#awayMs = null;
      this.#after(delayMs, () => this.#authorize("retry"));
    });
    if ("socket" in last && !this.#isHeard) this.#onMute(last.transport);
  }

  /** The server ended the connection, in a frame or with its close. */
  end(refusal: Refusal): void {
    const next = verdict(refusal.code);
    if (next === "again") {
      this.lose();
    } else if (next === "renew" && this.#options.renewable && !this.#renewed) {
      this.#renewed = true;
      this.lose();
    } else {
      this.#go("refused", { name: "refused", refusal });
    }
  }

  /** The server is about to close, and asks to be left alone for so long. */
  goAway(delayMs: number): void {
    this.#awayMs = Math.min(delayMs, GO_AWAY_MS_MAX);
  }

  /** The server said how long it may be silent. */
  expectWithin(silenceMs: number): void {
    this.#silenceMs = Math.min(Math.max(silenceMs, SILENCE_MS_MIN), SILENCE_MS_MAX * 10);
    if (this.#state.name === "open") this.#checkSilence();
  }

  #authorize(event: "connect" | "retry"): void {
    const state: State = { name: "authorizing" };
    this.#go(event, state, () => this.#after(AUTHORIZE_MS_MAX, () => this.lose()));
    if (this.#state !== state) return;
    // The promise may outlive the state: an answer that comes late belongs to nobody.
    this.#options.authorize().then(
      (token) => {
        if (this.#state === state) this.#open(token);
      },
      (error: unknown) => {
        this.#options.onError(error);
        if (this.#state === state) this.lose();
      },
    );
  }

  #open(token: string): void {
    const transport = this.#choice.next;
    let socket: Socket;
    try {
      socket = transport === "http" ? this.#polledSocket() : this.#webSocket();
    } catch (error) {
      this.#options.onError(error);
      this.lose();
      return;
    }
    this.#isHeard = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#onOpen(socket, transport, token);
    socket.onmessage = (event: { data: unknown }) => this.#onMessage(event.data);
    socket.onclose = (event: Refusal) => {
      // A code of the server's own is a word of it.
      if (this.#state.name === "open" && event.code !== CLOSE_LOST) this.#isHeard = true;
      this.end({ code: event.code, reason: event.reason });
    };
    // A close always follows an error, and says more.
    socket.onerror = () => {};
    this.#go("authorized", { name: "connecting", socket, transport }, () => {
      this.#after(CONNECT_MS_MAX, () => this.lose());
      this.#doubtLater(transport);
    });
  }

  #webSocket(): Socket {
    return new this.#environment.WebSocket(this.#options.address, this.#options.subprotocol);
  }

  #polledSocket(): Socket {
    return new PolledSocket(this.#environment, this.#options.address, this.#options.batchBytesMax);
  }

  /** Nothing came through a socket. Over HTTP that would have been a refusal, if it was one. */
  #onMute(transport: Transport): void {
    this.#choice.fail();
    if (transport === "websocket") this.#inquire();
  }

  /**
   * A refusal looks just like a server that is away, and ends all attempts. So does a proxy that lets no WebSocket pass,
   * and there is another way then.
   */
  #inquire(): void {
    const state = this.#state;
    const isAsked = isAskedAbout(this.#attempt) || this.#choice.isSuspicious;
    if (state.name !== "waiting" || !isAsked) return;
    void inquire(this.#environment, this.#options.address).then((answer) => {
      const { next } = this.#choice;
      this.#choice.judge(answer?.status === STATUS_UPGRADE_REQUIRED);
      // The next attempt may have begun: it finds out for itself.
      if (this.#state !== state) return;
      if (answer !== null && answer.refusal !== null) this.end(answer.refusal);
      else if (this.#choice.next !== next) this.#authorize("retry");
    });
  }

  #doubtLater(transport: Transport): void {
    if (transport === "websocket" && this.#choice.isFree)
      this.#after(DOUBT_MS, () => this.#doubt());
  }

  /** The WebSocket hangs. Who gets an answer to a later plain request would wait for it in vain. */
  #doubt(): void {
    const state = this.#state;
    if (this.#isHeard) return;
    void inquire(this.#environment, this.#options.address).then((answer) => {
      const isHanging = this.#state === state && !this.#isHeard;
      if (!isHanging || answer?.status !== STATUS_UPGRADE_REQUIRED) return;
      this.lose();
      this.#choice.block();
      this.#authorize("retry");
    });
  }

  #onOpen(socket: Socket, transport: Transport, token: string): void {
    this.#heardAt = this.#environment.now();
    this.#silenceMs = SILENCE_MS_MAX;
    this.#awayMs = null;
    const state: State = { name: "open", socket, transport };
    this.#go("opened", state, () => {
      this.#checkSilence();
      this.#doubtLater(transport);
      if (transport === "http") this.#tryLater();
      this.#after(STABLE_MS_MIN, () => {
        this.#attempt = 0;
        this.#backoff.settle();
        this.#renewed = false;
      });
    });
    if (this.#state === state) this.#options.onOpen(token);
  }

  #onMessage(data: unknown): void {
    this.#heardAt = this.#environment.now();
    this.#answered = true;
    if (!this.#isHeard && this.#state.name === "open") {
      this.#isHeard = true;
      this.#choice.succeed(this.#state.transport);
    }
    // The dialect is binary; a text frame is not for us.
    if (data instanceof ArrayBuffer) this.#options.onFrame(new Uint8Array(data));
  }

  #checkSilence(): void {
    this.#cancel(this.#silenceTimer);
    const leftMs = this.#heardAt + this.#silenceMs - this.#environment.now();
    if (leftMs <= 0) this.lose();
    else this.#silenceTimer = this.#after(leftMs, () => this.#checkSilence());
  }

  #forgetAttempts(): void {
    this.#attempt = 0;
    this.#backoff.reset();
    this.#awayMs = null;
  }

  #onNetwork(event: NetworkEvent): void {
    if (this.#state.name === "open") {
      this.#probe();
      if (event === "online") this.#try();
    } else if (this.#state.name === "waiting" && event !== "offline") {
      // "offline" stops nothing: browsers report it wrongly for servers on the same machine or network.
      this.#forgetAttempts();
      this.#authorize("retry");
    }
  }

  /** After a sleep or a change of network the socket may be dead without knowing it. */
  #probe(): void {
    if (this.#environment.now() - this.#heardAt >= this.#silenceMs) {
      this.lose();
      return;
    }
    this.#answered = false;
    this.#after(PROBE_MS_MAX, () => {
      if (!this.#answered) this.lose();
    });
    this.#options.onProbe();
  }

  #tryLater(): void {
    if (this.#choice.isFree) this.#after(WEBSOCKET_AGAIN_MS, () => this.#try());
  }

  /** Goes over to a WebSocket where one opens by now. The rooms are joined anew then. */
  #try(): void {
    if (this.transport !== "http" || !this.#choice.isFree || this.#trial !== null) return;
    let trial: Socket;
    try {
      trial = this.#webSocket();
    } catch {
      // There is none in this runtime.
      return;
    }
    const fail = () => {
      if (this.#trial !== trial) return;
      this.#endTrial();
      this.#tryLater();
    };
    trial.onopen = () => {
      if (this.#trial !== trial) return;
      this.#choice.fail();
      this.#awayMs = 0;
      this.lose();
    };
    trial.onclose = fail;
    trial.onerror = () => {};
    this.#trial = trial;
    this.#after(CONNECT_MS_MAX, fail);
  }

  #endTrial(): void {
    const trial = this.#trial;
    this.#trial = null;
    if (trial !== null) abandon(trial);
  }

  #after(ms: number, run: () => void): unknown {
    const timer = this.#environment.setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer: unknown): void {
    if (this.#timers.delete(timer)) this.#environment.clearTimeout(timer);
  }

  /** The only place where the state changes, if the table allows it. */
  #go(event: Event, next: State, enter?: () => void): void {
    const last = this.#state;
    if (TRANSITIONS[last.name][event] !== next.name) return;
    this.#state = next;
    for (const timer of this.#timers) this.#environment.clearTimeout(timer);
    this.#timers.clear();
    this.#endTrial();
    if ("socket" in last && !("socket" in next)) abandon(last.socket);
    enter?.();
    // From here on the application is told, and what it does may move the state on. That step then reports.
    if (last.name === "open") this.#options.onLost();
    if (this.#state === next && STATUS[last.name] !== STATUS[next.name]) {
      this.#options.onStatus(STATUS[next.name]);
    }
  }
}

/** Lets go of a socket without waiting for its close, which a dead network delays for minutes. */
function abandon(socket: Socket): void {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onclose = null;
  // The package `ws` throws an error that nobody listens to.
  socket.onerror = () => {};
  try {
    socket.close(CLOSE_NORMAL);
  } catch {
    // It was closed already, or never opened.
  }
}
