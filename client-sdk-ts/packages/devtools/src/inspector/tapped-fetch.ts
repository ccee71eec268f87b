// Requests that are listened to: what takes the place of a WebSocket says the same frames in them.

import type { Environment, HttpRequest, HttpResponse } from "@roomtone/core";
import { errorKind, type Recorder } from "./recorder.js";
import { publicAddress } from "./tapped-socket.js";

type Fetch = Environment["fetch"];

/** The name of a session is a secret, and is nowhere shown. */
const SESSION = /^(.*\/v1\/sessions\/)([^/?#]+)(?:\?n=(\d+))?$/;

/** Sessions that are known by their name. The oldest goes. */
const SESSIONS_COUNT_MAX = 16;

interface Session {
  readonly connection: number;
  saidCount: number;
}

export function tappedFetch(fetch: Fetch, recorder: Recorder): Fetch {
  const sessions = new Map<string, Session>();

  function sessionOf(name: string, address: string): Session {
    const known = sessions.get(name);
    if (known !== undefined) return known;
    const session = { connection: recorder.nextConnection(), saidCount: 0 };
    sessions.set(name, session);
    const [oldest] = sessions.keys();
    if (sessions.size > SESSIONS_COUNT_MAX && oldest !== undefined) sessions.delete(oldest);
    const shown = `${publicAddress(address)}•••`;
    recorder.event(session.connection, { type: "connecting", transport: "http", address: shown });
    return session;
  }

  return (url, request) => {
    const [, address, name, number] = SESSION.exec(url) ?? [];
    if (address === undefined || name === undefined) return ask(fetch(url, request), recorder);
    const session = sessionOf(name, address);
    const method = request?.method ?? "GET";
    if (method === "POST") say(session, Number(number), request?.body, recorder);
    if (method === "DELETE") {
      sessions.delete(name);
      recorder.event(session.connection, { type: "closing", code: null });
    }
    const isFirst = method === "POST" && Number(number) === 1;
    return fetch(url, request).then(
      (response) => {
        hear(session, method, isFirst, response, recorder);
        return method === "GET" ? listened(response, session, recorder) : response;
      },
      (error: unknown) => {
        fail(session, method, request, error, recorder);
        throw error;
      },
    );
  };
}

function ask(response: Promise<HttpResponse>, recorder: Recorder): Promise<HttpResponse> {
  return response.then(
    (answer) => {
      recorder.event(null, { type: "asked", status: answer.status });
      return answer;
    },
    (error: unknown) => {
      recorder.event(null, { type: "asked", status: null });
      throw error;
    },
  );
}

function say(
  session: Session,
  number: number,
  body: Uint8Array | undefined,
  recorder: Recorder,
): void {
  const { connection } = session;
  const isRepeat = number <= session.saidCount;
  session.saidCount = Math.max(session.saidCount, number);
  if (body === undefined) return;
  const passed = { connection, transport: "http", direction: "up", isRepeat } as const;
  recorder.frame({ ...passed, body, bytes: body.length });
}

function hear(
  { connection }: Session,
  method: string,
  isFirst: boolean,
  { status }: HttpResponse,
  recorder: Recorder,
): void {
  if (status !== 200 && status !== 204) {
    recorder.event(connection, { type: "answered", method, status });
  } else if (isFirst) {
    recorder.event(connection, { type: "opened", transport: "http" });
  }
}

function fail(
  { connection }: Session,
  method: string,
  request: HttpRequest | undefined,
  error: unknown,
  recorder: Recorder,
): void {
  // Given up by the client itself.
  if (request?.signal?.aborted === true) return;
  recorder.event(connection, { type: "failed", what: `${method}: ${errorKind(error)}` });
}

/** The same answer, recorded when it is read. */
function listened(
  response: HttpResponse,
  { connection }: Session,
  recorder: Recorder,
): HttpResponse {
  return {
    status: response.status,
    text: () => response.text(),
    arrayBuffer: () =>
      response.arrayBuffer().then((buffer) => {
        // Empty: a sign of life, and no frame.
        if (buffer.byteLength > 0) {
          const body = new Uint8Array(buffer);
          const passed = { connection, transport: "http", direction: "down" } as const;
          recorder.frame({ ...passed, body, bytes: body.length });
        }
        return buffer;
      }),
  };
}
