/**
 * `@roomtone/core` as it was built, on the `ws` package, with the one copy of `yjs` that everything else here has.
 *
 *   const { Client } = sdk                                    // all that the package exports; sdkPresence, sdkChat for its other entries
 *   const client = sdkClient(server, { token })               // destroyed by the `afterEach` hook destroySdk
 *   const room = client.open(freshRoom()); await synced(room); await saved(room)
 *   client.sockets; cut(client)                               // its WebSockets; the TCP connection goes, nobody says good-bye
 *   client.errors                                             // what it reported; a test says which are expected
 *
 * It has to be built first: `npm run build -w @roomtone/core` in client-sdk-ts.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import WebSocket from 'ws'
import { until } from './wait.mjs'

const DIST = new URL('../../client-sdk-ts/packages/core/dist/', import.meta.url)
/** Generous: nothing here is measured by how soon it fails. */
const ARRIVAL_MS_MAX = 30_000

assert.ok(existsSync(fileURLToPath(new URL('index.js', DIST))), 'the SDK is not built: npm run build -w @roomtone/core, in client-sdk-ts')
register('./sdk-resolve.mjs', import.meta.url)

export const sdk = await import(new URL('index.js', DIST).href)
export const sdkPresence = await import(new URL('presence.js', DIST).href)
export const sdkChat = await import(new URL('chat.js', DIST).href)

/** Every client that is open, so that a failed test leaves none behind. @type {Set<any>} */
const live = new Set()

/** An `afterEach` hook. */
export const destroySdk = () => {
  for (const client of [...live]) client.destroy()
}

/**
 * @param {{ ws: string }} server a `Server`, or anything with its address
 * @param {{ token?: unknown, environment?: Record<string, unknown>, onSocket?: (socket: WebSocket) => void }} [options]
 */
export function sdkClient (server, { token, environment, onSocket = () => {} } = {}) {
  /** @type {WebSocket[]} */
  const sockets = []
  class Tracked extends WebSocket {
    /** @param {string} url @param {string} protocol */
    constructor (url, protocol) {
      super(url, protocol, { perMessageDeflate: false })
      // One at a time: those before it are garbage.
      sockets.splice(0, sockets.length, this)
      onSocket(this)
    }
  }
  /** @type {unknown[]} */
  const errors = []
  const client = new sdk.Client({
    url: server.ws,
    ...(token === undefined ? {} : { token }),
    onError: (/** @type {unknown} */ error) => errors.push(error),
    environment: { WebSocket: Tracked, ...environment }
  })
  const destroy = client.destroy.bind(client)
  live.add(client)
  return Object.assign(client, {
    sockets,
    errors,
    destroy: () => {
      live.delete(client)
      destroy()
    }
  })
}

/** As when a train enters a tunnel. @param {{ sockets: WebSocket[] }} client */
export const cut = (client) => client.sockets.at(-1)?.terminate()

/** What to show of a room that a test waits for in vain. @param {any} room */
export const described = (room) => ({ name: room.name, status: room.status, synced: room.synced, saved: room.saved, role: room.role, refusal: room.refusal, retryAt: room.retryAt })

/** @template T @param {T} room @param {number} [ms] @returns {Promise<T>} */
export async function synced (room, ms = ARRIVAL_MS_MAX) {
  const each = /** @type {any} */ (room)
  await until(() => each.synced, ms, `${each.name} to be synced`, () => described(each))
  return room
}

/** @param {any} room @param {number} [ms] */
export const saved = (room, ms = ARRIVAL_MS_MAX) => until(() => room.saved.state === 'saved' && room.status === 'connected', ms, `${room.name} to be saved`, () => described(room))
