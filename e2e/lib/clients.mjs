/**
 * One interface over every client family and version that must work unmodified.
 *
 *   for (const kind of KINDS) …                       // 8 kinds: { id, dialect, version, reportsSaved, multiplexes }
 *   const a = await open('hocuspocus-3', server, 'room', { state: { name: 'ann' } })   // connected and synced
 *   const b = join('y-websocket-1', server, 'room', { connect: false })                 // not yet
 *   a.insert('t', 0, 'hello'); b.text('t'); a.set('m', 'k', 1); a.push('l', [1]); a.addXml('x', 'p', { id: '1' }, 'text')
 *   a.synced(); a.saved(); a.presence(); a.setPresence({ cursor: 1 }); a.peers()
 *   a.disconnect(); a.connect(); a.dropSocket(); a.destroy()
 *   a.sockets            // every WebSocket that it opened: { url, opened, framesIn, framesOut, bytesIn, close, ws }
 *   a.denials            // what the server said when it refused
 *   a.provider, a.doc, a.awareness, a.Y   // the client's own objects
 *
 * Options: { token, state (presence; null for none), doc, connect, origin, headers, at (mount: 'yjs' or '' for y-websocket,
 * 'hocuspocus' or '' for Hocuspocus), serverToken and readOnly (y-sweet's own way to a token), raw (y-websocket: do not
 * percent-encode the room name), opts (handed to the client) }.
 *
 * Nothing here alters a client. What a page does with its own hands when it goes away (y-sweet reconnects even after
 * `destroy()`) is done with the client's public fields, in `destroy` and `disconnect`.
 */
import { DocumentManager } from '@y-sweet/sdk'
import { YSweetProvider } from '@y-sweet/client'
import { HocuspocusProvider as Hocuspocus2, HocuspocusProviderWebsocket as Hocuspocus2Socket } from '@hocuspocus/provider-2'
import { HocuspocusProvider as Hocuspocus3, HocuspocusProviderWebsocket as Hocuspocus3Socket } from '@hocuspocus/provider-3'
import { HocuspocusProvider as Hocuspocus4, HocuspocusProviderWebsocket as Hocuspocus4Socket } from '@hocuspocus/provider-4'
import { WebsocketProvider as YWebsocket1 } from 'y-websocket-1'
import { WebsocketProvider as YWebsocket2 } from 'y-websocket-2'
import { WebsocketProvider as YWebsocket3 } from 'y-websocket-3'
import { WebsocketProvider as YWebsocket4 } from '@y/websocket'
import { Awareness } from 'y-protocols/awareness'
import { Awareness as Awareness14 } from '@y/protocols/awareness'
import * as Y13 from 'yjs'
import * as Y14 from '@y/y'
import WebSocket from 'ws'
import { until } from './wait.mjs'

const SYNC_MS_MAX = 5_000

/**
 * @typedef {'y-websocket' | 'hocuspocus' | 'y-sweet'} Dialect
 * @typedef {object} Kind
 * @property {string} id
 * @property {Dialect} dialect
 * @property {string} version
 * @property {boolean} reportsSaved whether this client can tell what the server has saved
 * @property {boolean} multiplexes whether one socket can carry several documents
 *
 * @typedef {object} ClientOptions
 * @property {string} [token]
 * @property {Record<string, unknown> | null} [state]
 * @property {any} [doc]
 * @property {boolean} [connect]
 * @property {string} [origin]
 * @property {Record<string, string>} [headers]
 * @property {string} [at]
 * @property {string} [serverToken]
 * @property {boolean} [readOnly]
 * @property {boolean} [raw]
 * @property {Record<string, unknown>} [opts]
 *
 * @typedef {object} SocketRecord
 * @property {string} url
 * @property {number} madeAt by `performance.now()`
 * @property {boolean} opened
 * @property {number} framesIn
 * @property {number} framesOut
 * @property {number} bytesIn
 * @property {{ code: number, reason: string } | null} close
 * @property {number | null} closedAt as `madeAt`
 * @property {number | null} refused HTTP status of a refused upgrade
 * @property {WebSocket} ws
 */

/** @type {Kind[]} */
export const KINDS = [
  { id: 'y-websocket-1', dialect: 'y-websocket', version: '1.5.4', reportsSaved: false, multiplexes: false },
  { id: 'y-websocket-2', dialect: 'y-websocket', version: '2.1.0', reportsSaved: false, multiplexes: false },
  { id: 'y-websocket-3', dialect: 'y-websocket', version: '3.1.0', reportsSaved: false, multiplexes: false },
  { id: 'y-websocket-4', dialect: 'y-websocket', version: '4.0.0-3', reportsSaved: false, multiplexes: false },
  { id: 'hocuspocus-2', dialect: 'hocuspocus', version: '2.15.3', reportsSaved: true, multiplexes: true },
  { id: 'hocuspocus-3', dialect: 'hocuspocus', version: '3.4.4', reportsSaved: true, multiplexes: true },
  { id: 'hocuspocus-4', dialect: 'hocuspocus', version: '4.8.0', reportsSaved: true, multiplexes: true },
  { id: 'y-sweet', dialect: 'y-sweet', version: '0.9.1', reportsSaved: true, multiplexes: false }
]

/** One of each dialect, where the version makes no difference. */
export const DIALECT_KINDS = ['y-websocket-3', 'hocuspocus-4', 'y-sweet']

/** @param {string} id @returns {Kind} */
export const kindOf = (id) => {
  const kind = KINDS.find((k) => k.id === id)
  if (!kind) throw new Error(`no such client: ${id}`)
  return kind
}

/** Every client that is open, so that a failed test leaves none behind. @type {Set<Client>} */
const live = new Set()

/** An `afterEach` hook. */
export const destroyAll = () => {
  for (const client of live) client.destroy()
}

/**
 * The WebSocket of the client, with a record of what goes through it. `gate.open = false` makes new sockets lead nowhere.
 *
 * @param {SocketRecord[]} sockets
 * @param {{ open: boolean }} gate
 * @param {{ origin?: string, headers?: Record<string, string> }} options
 */
export const trackedWebSocket = (sockets, gate, { origin, headers } = {}) => class extends WebSocket {
  /** @param {string} url @param {string | string[]} [protocols] */
  constructor (url, protocols) {
    super(gate.open ? url : 'ws://127.0.0.1:9/', protocols, { origin, headers })
    /** @type {SocketRecord} */
    const record = { url, madeAt: performance.now(), opened: false, framesIn: 0, framesOut: 0, bytesIn: 0, close: null, closedAt: null, refused: null, ws: this }
    if (gate.open) sockets.push(record)
    this.on('open', () => { record.opened = true })
    this.on('message', (data) => {
      record.framesIn += 1
      record.bytesIn += /** @type {Buffer} */ (data).byteLength ?? 0
    })
    // Told last: whoever waits for it finds a client that has heard it as well.
    this.on('close', (code, reason) => {
      record.closedAt = performance.now()
      setImmediate(() => { record.close = { code, reason: String(reason) } })
    })
    // A browser's socket does not throw when nobody listens for its errors.
    this.on('error', (error) => { record.refused = Number(/server response: (\d+)/.exec(error.message)?.[1] ?? 0) || record.refused })
    this.record = record
  }

  /** @param {any} data @param {any} [options] @param {any} [done] */
  send (data, options, done) {
    this.record.framesOut += 1
    super.send(data, options, done)
  }
}

export class Client {
  /**
   * @param {Kind} kind
   * @param {string} room
   * @param {ClientOptions} options
   */
  constructor (kind, room, options) {
    this.kind = kind
    this.id = kind.id
    this.dialect = kind.dialect
    this.version = kind.version
    this.room = room
    this.options = options
    this.is14 = kind.id === 'y-websocket-4'
    /** @type {any} */
    this.Y = this.is14 ? Y14 : Y13
    /** @type {any} */
    this.doc = options.doc ?? new this.Y.Doc()
    /** @type {any} */
    this.awareness = new /** @type {any} */ (this.is14 ? Awareness14 : Awareness)(this.doc)
    if (options.state !== undefined) this.awareness.setLocalState(options.state)
    /** @type {SocketRecord[]} */
    this.sockets = []
    /** @type {string[]} */
    this.denials = []
    this.gate = { open: true }
    this.WebSocket = trackedWebSocket(this.sockets, this.gate, options)
    this.isDestroyed = false
    /** @type {any} */
    this.provider = null
    live.add(this)
  }

  // ---- state

  /** Whether it has been given the document since it last connected. @returns {boolean} */
  synced () { return Boolean(this.provider.synced) }

  /** Whether the server says that all is saved; null from a client that cannot know. @returns {boolean | null} */
  saved () { return null }

  /** @param {number} [ms] */
  async whenSynced (ms = SYNC_MS_MAX) {
    await until(() => this.synced(), ms, `${this} to be synced`, () => this.describe())
    return this
  }

  /** At once for a client that cannot know. @param {number} [ms] */
  async whenSaved (ms = SYNC_MS_MAX) {
    await until(() => this.saved() !== false, ms, `${this} to be saved`, () => this.describe())
    return this
  }

  describe () {
    return {
      synced: this.synced(),
      saved: this.saved(),
      denials: this.denials,
      sockets: this.sockets.map(({ ws, ...rest }) => ({ ...rest, url: rest.url.replace(/token=[^&]*/, 'token=…'), readyState: ws.readyState }))
    }
  }

  toString () { return `${this.id} in "${this.room.slice(0, 40)}"` }

  /** The socket in use, or the last one. @returns {SocketRecord | undefined} */
  get socket () { return this.sockets[this.sockets.length - 1] }

  get clientID () { return this.doc.clientID }

  // ---- connection

  connect () { this.provider.connect() }

  disconnect () { this.provider.disconnect() }

  /** Resolves when the socket is gone: a client that is told to connect before that may not hear it. */
  async whenDisconnected () {
    await until(() => !this.socket || this.socket.close !== null, 5_000, `${this} to be disconnected`, () => this.describe())
  }

  /** As when a train enters a tunnel: the TCP connection is gone and nobody said good-bye. */
  dropSocket () { this.socket?.ws.terminate() }

  destroy () {
    if (this.isDestroyed) return
    this.isDestroyed = true
    live.delete(this)
    this.destroyProvider()
    this.gate.open = false
    this.awareness.destroy()
    this.doc.destroy()
  }

  destroyProvider () { this.provider.destroy() }

  // ---- presence

  presence () { return this.awareness.getLocalState() }

  /** @param {Record<string, unknown> | null} state */
  setPresence (state) { this.awareness.setLocalState(state) }

  /** Everybody but itself. @returns {Map<number, any>} */
  peers () {
    const all = new Map(this.awareness.getStates())
    all.delete(this.clientID)
    return all
  }

  // ---- content, the same words for Yjs 13 and 14

  /** @param {string} name */
  #text (name) { return this.is14 ? this.doc.get(name) : this.doc.getText(name) }
  /** @param {string} name */
  #map (name) { return this.is14 ? this.doc.get(name) : this.doc.getMap(name) }
  /** @param {string} name */
  #array (name) { return this.is14 ? this.doc.get(name) : this.doc.getArray(name) }
  /** @param {string} name */
  #xml (name) { return this.is14 ? this.doc.get(name) : this.doc.getXmlFragment(name) }

  /** @param {string} name @param {number} at @param {string} text */
  insert (name, at, text) { this.#text(name).insert(at, text) }

  /** @param {string} name @param {number} at @param {number} count */
  remove (name, at, count) { this.#text(name).delete(at, count) }

  /** @param {string} name @returns {string} */
  text (name) { return this.#text(name).toString() }

  /** @param {string} name @param {string} key @param {unknown} value */
  set (name, key, value) {
    if (this.is14) this.#map(name).setAttr(key, value)
    else this.#map(name).set(key, value)
  }

  /** @param {string} name @param {string} key */
  unset (name, key) {
    if (this.is14) this.#map(name).deleteAttr(key)
    else this.#map(name).delete(key)
  }

  /** @param {string} name @returns {Record<string, any>} */
  map (name) {
    const json = this.#map(name).toJSON()
    return this.is14 ? json.attrs ?? {} : json
  }

  /** @param {string} name @param {unknown[]} values */
  push (name, values) { this.#array(name).push(values) }

  /** @param {string} name @param {number} at @param {number} count */
  pull (name, at, count) { this.#array(name).delete(at, count) }

  /** @param {string} name @returns {any[]} */
  array (name) {
    const json = this.#array(name).toJSON()
    return this.is14 ? json.children ?? [] : json
  }

  /**
   * Appends `<tag …attrs>text</tag>`.
   *
   * @param {string} name @param {string} tag @param {Record<string, string>} attrs @param {string} text
   */
  addXml (name, tag, attrs, text) {
    const fragment = this.#xml(name)
    this.doc.transact(() => {
      const element = this.is14 ? new Y14.Type(tag) : new Y13.XmlElement(tag)
      fragment.insert(fragment.length, [element])
      for (const [key, value] of Object.entries(attrs)) {
        if (this.is14) element.setAttr(key, value)
        else element.setAttribute(key, value)
      }
      element.insert(0, this.is14 ? text : [new Y13.XmlText(text)])
    })
  }

  /** @param {string} name @returns {string} */
  xml (name) { return this.#xml(name).toString().replace(/<\/?>/g, '') }

  /** What it holds, in a form that two clients of any kind can be compared by. */
  content (texts = ['t'], maps = ['m'], arrays = ['l'], xmls = ['x']) {
    /** @param {string[]} names @param {(name: string) => unknown} read */
    const all = (names, read) => Object.fromEntries(names.map((n) => [n, read(n)]))
    return {
      texts: all(texts, (n) => this.text(n)),
      maps: all(maps, (n) => Object.fromEntries(Object.entries(this.map(n)).sort(([a], [b]) => a < b ? -1 : 1))),
      arrays: all(arrays, (n) => this.array(n)),
      xmls: all(xmls, (n) => this.xml(n))
    }
  }
}

/** @param {string} room */
const encodeRoom = (room) => room.split('/').map(encodeURIComponent).join('/')

/** @type {Record<string, any>} */
const Y_WEBSOCKETS = { 'y-websocket-1': YWebsocket1, 'y-websocket-2': YWebsocket2, 'y-websocket-3': YWebsocket3, 'y-websocket-4': YWebsocket4 }

class YWebsocketClient extends Client {
  /** @param {Kind} kind @param {Target} server @param {string} room @param {ClientOptions} options */
  constructor (kind, server, room, options) {
    super(kind, room, options)
    const at = options.at ?? 'yjs'
    this.provider = new Y_WEBSOCKETS[kind.id](`${server.ws}/${at}`, options.raw ? room : encodeRoom(room), this.doc, {
      awareness: this.awareness,
      params: options.token === undefined ? {} : { token: options.token },
      WebSocketPolyfill: this.WebSocket,
      connect: options.connect ?? true,
      // Two clients of one test live in one process: they must meet on the server, not beside it.
      disableBc: true,
      ...options.opts
    })
  }
}

/** @type {Record<string, { Provider: any, Socket: any }>} */
const HOCUSPOCUS = {
  'hocuspocus-2': { Provider: Hocuspocus2, Socket: Hocuspocus2Socket },
  'hocuspocus-3': { Provider: Hocuspocus3, Socket: Hocuspocus3Socket },
  'hocuspocus-4': { Provider: Hocuspocus4, Socket: Hocuspocus4Socket }
}

/** One WebSocket for several documents. */
export class HocuspocusSocket {
  /** @param {string} id @param {Target} server @param {ClientOptions} [options] */
  constructor (id, server, options = {}) {
    /** @type {SocketRecord[]} */
    this.sockets = []
    this.gate = { open: true }
    this.provider = new HOCUSPOCUS[id].Socket({
      url: `${server.ws}/${options.at ?? 'hocuspocus'}`,
      WebSocketPolyfill: trackedWebSocket(this.sockets, this.gate, options),
      // Version 2 and 3 say `connect` and `autoConnect`.
      connect: options.connect ?? true,
      autoConnect: options.connect ?? true,
      quiet: true
    })
  }

  destroy () {
    this.gate.open = false
    this.provider.destroy()
  }
}

class HocuspocusClient extends Client {
  /** @param {Kind} kind @param {Target} server @param {string} room @param {ClientOptions & { over?: HocuspocusSocket }} options */
  constructor (kind, server, room, options) {
    super(kind, room, options)
    this.over = options.over ?? new HocuspocusSocket(kind.id, server, options)
    this.ownsSocket = options.over === undefined
    this.sockets = this.over.sockets
    /** @type {string[]} */
    this.statelessReceived = []
    this.provider = new HOCUSPOCUS[kind.id].Provider({
      name: room,
      document: this.doc,
      awareness: this.awareness,
      token: options.token ?? null,
      websocketProvider: this.over.provider,
      broadcast: false,
      onAuthenticationFailed: (/** @type {{ reason: string }} */ { reason }) => this.denials.push(reason),
      onStateless: (/** @type {{ payload: string }} */ { payload }) => this.statelessReceived.push(payload),
      ...options.opts
    })
    // Since version 3 a provider on a socket that it was given must be attached by hand.
    if (kind.id !== 'hocuspocus-2') this.provider.attach()
  }

  saved () { return this.synced() && !this.provider.hasUnsyncedChanges }

  connect () { this.over.provider.connect() }

  disconnect () { this.over.provider.disconnect() }

  destroyProvider () {
    this.provider.destroy()
    if (this.ownsSocket) this.over.destroy()
  }
}

class YSweetClient extends Client {
  /** @param {Kind} kind @param {Target} server @param {string} room @param {ClientOptions} options */
  constructor (kind, server, room, options) {
    super(kind, room, options)
    const credentials = options.serverToken === undefined ? '' : `${encodeURIComponent(options.serverToken)}@`
    const manager = new DocumentManager(`ys://${credentials}${server.host}`)
    const authorization = options.readOnly ? 'read-only' : 'full'
    /** @type {() => Promise<any>} */
    const authorise = async () => {
      if (this.isDestroyed) await new Promise(() => {})
      if (options.token !== undefined) {
        return { url: `${server.ws}/d/${room}/ws`, baseUrl: `${server.http}/d/${room}`, docId: room, token: options.token, authorization }
      }
      try {
        return await manager.getOrCreateDocAndToken(room, { authorization })
      } catch (error) {
        if (this.denials.length < 100) this.denials.push(String(error))
        throw error
      }
    }
    this.provider = new YSweetProvider(authorise, room, this.doc, {
      awareness: this.awareness,
      WebSocketPolyfill: /** @type {any} */ (this.WebSocket),
      showDebuggerLink: false,
      connect: options.connect ?? true,
      ...options.opts
    })
  }

  saved () { return this.synced() && !this.provider.hasLocalChanges }

  disconnect () {
    // Its own `disconnect()` is undone by its own close handler, which connects again.
    const { provider } = this
    if (provider.websocket) {
      provider.websocket.onclose = null
      provider.websocket.onerror = null
    }
    provider.clearHeartbeat()
    provider.clearConnectionTimeout()
    provider.disconnect()
  }

  destroyProvider () {
    const { provider } = this
    if (provider.websocket) {
      provider.websocket.onclose = null
      provider.websocket.onerror = null
    }
    provider.destroy()
    provider.clearHeartbeat()
    provider.clearConnectionTimeout()
    // A connect loop that is under way would go on for ever. A page that goes away takes it with it.
    provider.attemptToConnect = () => new Promise(() => {})
    provider.setStatus('offline')
    provider.online()
  }
}

/**
 * Where clients connect: a `Server`, or anything with the same three fields.
 *
 * @typedef {{ ws: string, http: string, host: string }} Target
 */

/**
 * A client on its way into the room.
 *
 * @param {string} id
 * @param {Target} server
 * @param {string} room
 * @param {ClientOptions & { over?: HocuspocusSocket }} [options]
 * @returns {Client}
 */
export function join (id, server, room, options = {}) {
  const kind = kindOf(id)
  switch (kind.dialect) {
    case 'y-websocket': return new YWebsocketClient(kind, server, room, options)
    case 'hocuspocus': return new HocuspocusClient(kind, server, room, options)
    case 'y-sweet': return new YSweetClient(kind, server, room, options)
  }
}

/**
 * A client that has arrived: connected and synced.
 *
 * @param {string} id
 * @param {Target} server
 * @param {string} room
 * @param {ClientOptions & { over?: HocuspocusSocket }} [options]
 * @returns {Promise<Client>}
 */
export async function open (id, server, room, options = {}) {
  return await join(id, server, room, options).whenSynced()
}

/**
 * Waits until all hold the same content, and gives it back.
 *
 * @param {Client[]} clients
 * @param {number} [ms]
 */
export async function converged (clients, ms = 5_000) {
  const read = () => clients.map((c) => JSON.stringify(c.content()))
  await until(() => new Set(read()).size === 1, ms, `${clients.length} clients to hold the same`, () => clients.map((c) => [String(c), c.content()]))
  return clients[0].content()
}

let rooms = 0

/** A room name that no other test uses. @param {string} [hint] */
export const freshRoom = (hint = 'room') => `${hint}-${process.pid}-${rooms++}`
