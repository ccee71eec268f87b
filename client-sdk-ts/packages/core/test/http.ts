// The server's half of HT1 to HT4 in memory, with a network that loses what it is told to.

import type { HttpRequest, HttpResponse } from "../src/index.js";
import { FakeSocket, httpResponse, type World } from "./fakes.js";
import type { FakeServer } from "./server.js";

/** What happens to a request: the network loses it, or the answer to it, or some proxy answers it. */
export type Fate = "arrives" | "request lost" | "answer lost" | number;

export interface Asked {
  readonly method: string;
  readonly session: string;
  readonly number: number;
  readonly request: HttpRequest;
}

interface Fetched {
  number: number;
  body: Uint8Array<ArrayBuffer>;
}

class Session {
  readonly socket = new FakeSocket("", "");
  taken = 0;
  readonly fetched: Fetched = { number: 0, body: new Uint8Array() };
  readonly #outgoing: Uint8Array[] = [];
  /** Returns the fetch that waits. */
  #wake: () => void = () => {};

  constructor() {
    this.socket.state = "open";
    this.socket.onmessage = ({ data }) => {
      this.#outgoing.push(new Uint8Array(data as ArrayBuffer));
      this.#wake();
    };
  }

  async fetch(number: number, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> {
    this.#wake();
    if (number === this.fetched.number) return this.fetched.body;
    if (this.#outgoing.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal?.addEventListener("abort", reject);
      });
    }
    this.fetched.number = number;
    this.fetched.body = Uint8Array.from(this.#outgoing.splice(0).flatMap((each) => [...each]));
    return this.fetched.body;
  }

  /** The fetch that waits comes back with nothing, as after 20 s. */
  breathe(): void {
    this.#wake();
  }
}

export class FakeHttp {
  readonly asked: Asked[] = [];
  readonly sessions = new Map<string, Session>();
  /** The status of a plain request for the WebSocket; null: no answer. */
  status: number | null = 426;
  fate: (asked: Asked) => Fate = () => "arrives";
  /** Requests wait here while it is held. */
  #held: (() => void)[] | null = null;
  readonly #server: FakeServer | null;

  constructor(world: World, server: FakeServer | null = null) {
    world.fetch = (url, request) => this.#fetch(url, request);
    this.#server = server;
  }

  get session(): Session {
    const session = [...this.sessions.values()].at(-1);
    if (session === undefined) throw new Error("there is no session");
    return session;
  }

  of(method: string): Asked[] {
    return this.asked.filter((each) => each.method === method);
  }

  /** Frames stay under way until `release`. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const go of held) go();
  }

  /** The server forgets all sessions, without a word. */
  forget(): void {
    for (const session of this.sessions.values()) {
      this.#server?.leave(session.socket);
      session.breathe();
    }
    this.sessions.clear();
  }

  async #fetch(url: string, request: HttpRequest): Promise<HttpResponse> {
    const { pathname, searchParams } = new URL(url);
    if (pathname.endsWith("/v1/connect")) {
      if (this.status === null) throw new TypeError("failed to fetch");
      return httpResponse(this.status);
    }
    const { method = "GET" } = request;
    const session = pathname.split("/").at(-1) ?? "";
    const asked = { method, session, number: Number(searchParams.get("n")), request };
    this.asked.push(asked);
    const fate = this.fate(asked);
    if (method === "POST" && this.#held !== null) {
      await new Promise<void>((resolve, reject) => {
        this.#held?.push(resolve);
        request.signal?.addEventListener("abort", reject);
      });
    }
    if (fate === "request lost") throw new TypeError("failed to fetch");
    if (typeof fate === "number") return httpResponse(fate);
    const response = await this.#answer(asked);
    if (fate === "answer lost") throw new TypeError("failed to fetch");
    return response;
  }

  async #answer({ method, session: name, number, request }: Asked): Promise<HttpResponse> {
    let session = this.sessions.get(name);
    if (method === "DELETE") {
      if (session !== undefined) this.#server?.leave(session.socket);
      this.sessions.delete(name);
      session?.breathe();
      return httpResponse(204);
    }
    if (session === undefined && method === "POST" && number === 1) {
      session = new Session();
      this.sessions.set(name, session);
      this.#server?.accept(session.socket);
    }
    if (session === undefined) return httpResponse(410);
    if (method === "POST") {
      if (number > session.taken + 1) return httpResponse(409);
      if (number === session.taken + 1) session.socket.sent.push(request.body ?? new Uint8Array());
      session.taken = Math.max(session.taken, number);
      return httpResponse(204);
    }
    const { fetched } = session;
    if (number !== fetched.number && number !== fetched.number + 1) return httpResponse(409);
    const body = await session.fetch(number, request.signal);
    return this.sessions.get(name) === session ? httpResponse(200, body) : httpResponse(410);
  }
}
