/**
 * Below the clients: single frames, single bytes. For what no honest client would send, and to count what the server sends.
 *
 *   const socket = await RawSocket.open(server.ws + '/yjs/room')       // throws UpgradeRefused { status } when refused
 *   socket.send(yStep1(doc)); await socket.next((f) => readY(f)[0].type === 0, 1_000, 'an answer')
 *   socket.frames                       // every binary frame so far; socket.texts for text frames
 *   await socket.closed(2_000)          // { code, reason }
 *   const { status } = await upgrade(server, '/yjs/room', { Origin: 'null' })   // only the handshake, on raw TCP
 *
 * Encoders: yStep1, yStep2, yUpdate, yAwareness, yQueryAwareness for y-websocket and y-sweet; hocus(address, type, …parts) for
 * Hocuspocus. Decoders: readY(frame) and readHocus(frame) give the messages of a frame; readAwareness(bytes) its entries.
 */
import { connect as connectTcp } from 'node:net'
import { randomBytes } from 'node:crypto'
import WebSocket from 'ws'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { until } from './wait.mjs'

export const EMPTY_UPDATE = Uint8Array.of(0, 0)

// ---- encoding

/** @param {(encoder: encoding.Encoder) => void} write */
export const encode = (write) => {
  const encoder = encoding.createEncoder()
  write(encoder)
  return encoding.toUint8Array(encoder)
}

/** @param {number} type @param {number} sub @param {Uint8Array} payload */
const sync = (type, sub, payload) => encode((e) => {
  encoding.writeVarUint(e, type)
  encoding.writeVarUint(e, sub)
  encoding.writeVarUint8Array(e, payload)
})

/** @param {Y.Doc | Uint8Array} [docOrVector] */
export const yStep1 = (docOrVector = new Y.Doc()) =>
  sync(0, 0, docOrVector instanceof Uint8Array ? docOrVector : Y.encodeStateVector(docOrVector))
/** @param {Uint8Array} update */
export const yStep2 = (update) => sync(0, 1, update)
/** @param {Uint8Array} update */
export const yUpdate = (update) => sync(0, 2, update)
export const yQueryAwareness = () => Uint8Array.of(3)

/**
 * @typedef {{ client: number, clock: number, state: unknown }} AwarenessEntry `state` null removes
 */

/** @param {AwarenessEntry[]} entries */
export const awarenessUpdate = (entries) => encode((e) => {
  encoding.writeVarUint(e, entries.length)
  for (const { client, clock, state } of entries) {
    encoding.writeVarUint(e, client)
    encoding.writeVarUint(e, clock)
    encoding.writeVarString(e, JSON.stringify(state))
  }
})

/** @param {AwarenessEntry[]} entries */
export const yAwareness = (entries) => encode((e) => {
  encoding.writeVarUint(e, 1)
  encoding.writeVarUint8Array(e, awarenessUpdate(entries))
})

/**
 * A Hocuspocus frame: the address, the type, then each part: a number as varUint, a string as varString, bytes with their length.
 *
 * @param {string} address
 * @param {number} type
 * @param {...(number | string | Uint8Array)} parts
 */
export const hocus = (address, type, ...parts) => encode((e) => {
  encoding.writeVarString(e, address)
  encoding.writeVarUint(e, type)
  for (const part of parts) {
    if (typeof part === 'number') encoding.writeVarUint(e, part)
    else if (typeof part === 'string') encoding.writeVarString(e, part)
    else encoding.writeVarUint8Array(e, part)
  }
})

/** An update that inserts `text` at the head of the shared text `name`, by a client of its own. @param {string} text @param {string} [name] */
export const updateWith = (text, name = 'text') => {
  const doc = new Y.Doc()
  doc.getText(name).insert(0, text)
  const update = Y.encodeStateAsUpdate(doc)
  doc.destroy()
  return update
}

// ---- decoding

/**
 * @typedef {{ type: number, sub?: number, payload?: Uint8Array, text?: string }} Message
 */

/** @param {decoding.Decoder} decoder @returns {Message} */
const readMessage = (decoder) => {
  const type = decoding.readVarUint(decoder)
  if (type === 0) return { type, sub: decoding.readVarUint(decoder), payload: decoding.readVarUint8Array(decoder) }
  if (type === 1 || type === 102) return { type, payload: decoding.readVarUint8Array(decoder) }
  if (type === 3) return { type }
  return { type: -1 }
}

/** All messages of one y-websocket or y-sweet frame. A polite server sends one. @param {Uint8Array} frame @returns {Message[]} */
export const readY = (frame) => {
  const decoder = decoding.createDecoder(frame)
  const messages = []
  while (decoding.hasContent(decoder)) {
    if (decoder.arr[decoder.pos] === 2) {
      decoding.readVarUint(decoder)
      const sub = decoding.readVarUint(decoder)
      messages.push({ type: 2, sub, text: decoding.hasContent(decoder) ? decoding.readVarString(decoder) : '' })
    } else {
      messages.push(readMessage(decoder))
    }
  }
  return messages
}

/** @param {Uint8Array} frame @returns {Message & { address: string }} */
export const readHocus = (frame) => {
  if (frame.length === 1) return { address: '', type: frame[0] }
  const decoder = decoding.createDecoder(frame)
  const address = decoding.readVarString(decoder)
  const type = decoder.arr[decoder.pos]
  if (type === 2) {
    decoding.readVarUint(decoder)
    const sub = decoding.readVarUint(decoder)
    return { address, type, sub, text: decoding.hasContent(decoder) ? decoding.readVarString(decoder) : undefined }
  }
  if (type === 8) {
    decoding.readVarUint(decoder)
    return { address, type, sub: decoding.readVarUint(decoder) }
  }
  if (type === 5 || type === 7) {
    decoding.readVarUint(decoder)
    return { address, type, text: decoding.hasContent(decoder) ? decoding.readVarString(decoder) : undefined }
  }
  return { address, ...readMessage(decoder) }
}

/** @param {Uint8Array} bytes @returns {AwarenessEntry[]} */
export const readAwareness = (bytes) => {
  const decoder = decoding.createDecoder(bytes)
  const count = decoding.readVarUint(decoder)
  const entries = []
  for (let i = 0; i < count; i++) {
    const client = decoding.readVarUint(decoder)
    const clock = decoding.readVarUint(decoder)
    entries.push({ client, clock, state: JSON.parse(decoding.readVarString(decoder)) })
  }
  return entries
}

// ---- sockets

export class UpgradeRefused extends Error {
  /** @param {number} status */
  constructor (status) {
    super(`the upgrade was refused with ${status}`)
    this.status = status
  }
}

export class RawSocket {
  /** @param {WebSocket} ws */
  constructor (ws) {
    this.ws = ws
    /** @type {Uint8Array[]} */
    this.frames = []
    /** @type {string[]} */
    this.texts = []
    /** @type {{ code: number, reason: string } | null} */
    this.close_event = null
    ws.on('message', (data, isBinary) => {
      if (isBinary) this.frames.push(new Uint8Array(/** @type {Buffer} */ (data)))
      else this.texts.push(String(data))
    })
    ws.on('close', (code, reason) => { this.close_event = { code, reason: String(reason) } })
    ws.on('error', () => {})
  }

  /**
   * @param {string} url
   * @param {{ headers?: Record<string, string>, origin?: string, protocols?: string[] }} [options]
   * @returns {Promise<RawSocket>}
   */
  static open (url, { headers, origin, protocols = [] } = {}) {
    return new Promise((resolve, reject) => {
      const ws = new WebSocket(url, protocols, { headers, origin, perMessageDeflate: false })
      const socket = new RawSocket(ws)
      ws.once('open', () => resolve(socket))
      ws.once('unexpected-response', (_request, response) => {
        response.resume()
        reject(new UpgradeRefused(response.statusCode ?? 0))
      })
      ws.once('error', reject)
    })
  }

  /** @param {Uint8Array | string} frame */
  send (frame) { this.ws.send(frame) }

  /**
   * The first frame, from now or `from`, that `wanted` accepts.
   *
   * @param {(frame: Uint8Array) => unknown} wanted
   * @param {number} ms
   * @param {string} what
   * @param {number} [from]
   */
  async next (wanted, ms, what, from = 0) {
    const found = () => this.frames.slice(from).find((frame) => wanted(frame))
    await until(found, ms, what, () => ({ frames: this.frames.slice(from).map((f) => Buffer.from(f.slice(0, 64)).toString('hex')), closed: this.close_event }))
    return /** @type {Uint8Array} */ (found())
  }

  /** @param {number} ms @returns {Promise<{ code: number, reason: string }>} */
  async closed (ms) {
    await until(() => this.close_event, ms, 'the socket to be closed', () => `open, ${this.frames.length} frames received`)
    return /** @type {any} */ (this.close_event)
  }

  get isOpen () { return this.ws.readyState === WebSocket.OPEN }

  /** No close frame, no FIN handshake that the other side could read a meaning into. */
  drop () { this.ws.terminate() }

  close () { this.ws.close() }
}

/**
 * Only the WebSocket handshake, byte by byte, so that headers can be wrong in every way.
 *
 * @param {{ port: number, host: string }} server
 * @param {string} target the request target exactly as it goes out
 * @param {Record<string, string>} [headers] added to (or replacing) the proper ones
 * @returns {Promise<{ status: number, head: string, body: string }>}
 */
export function upgrade (server, target, headers = {}) {
  return new Promise((resolve, reject) => {
    const tcp = connectTcp(server.port, '127.0.0.1')
    const all = {
      Host: server.host,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      ...headers
    }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
    /** @type {Buffer[]} */
    const chunks = []
    const finish = () => {
      const [head, ...body] = Buffer.concat(chunks).toString('latin1').split('\r\n\r\n')
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0)
      clearTimeout(timer)
      tcp.destroy()
      resolve({ status, head, body: body.join('\r\n\r\n') })
    }
    const timer = setTimeout(finish, 5_000)
    tcp.on('error', (error) => chunks.length === 0 ? (clearTimeout(timer), reject(error)) : finish())
    tcp.on('close', finish)
    tcp.on('data', (chunk) => {
      chunks.push(chunk)
      if (Buffer.concat(chunks).includes('\r\n\r\n')) finish()
    })
    tcp.write(`GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
  })
}
