/**
 * People in the native dialect at the price of a socket: for crowds, and to count what the server sends.
 *
 *   const person = await RawPerson.open(server, 'room', 7)       // joined under channel 1, with awareness id 7
 *   person.show({ cursor: { x: 1, y: 2 } })
 *   person.frames                                                 // awareness frames since `reset()`
 *   person.counts().get(id)                                       // in how many of them somebody was seen
 *
 * A server sends all of them the same bytes. They are read once, or the reading would take longer than the time between two frames, and
 * a busy process would be measured instead of the server.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { RawSocket, awarenessUpdate, encode } from './raw.mjs'
import { until } from './wait.mjs'

const HELLO = 0
const JOIN = 16
const STATE_VECTOR = 32
const DIFF = 33
const AWARENESS = 48
const CHANNEL = 1
const JOINED_MS_MAX = 60_000
const EMPTY = Uint8Array.of(0)

/** @param {number} channel @param {number} type @param {(e: encoding.Encoder) => void} write */
const message = (channel, type, write) => encode((e) => {
  encoding.writeVarUint(e, channel)
  encoding.writeVarUint(e, type)
  encoding.writeVarUint8Array(e, encode(write))
})

const hello = message(0, HELLO, (e) => {
  encoding.writeVarUint(e, 1)
  encoding.writeVarUint(e, 0)
  encoding.writeVarString(e, 'raw')
  encoding.writeVarString(e, '')
})

/** @param {string} room */
const join = (room) => message(CHANNEL, JOIN, (e) => {
  encoding.writeVarString(e, room)
  encoding.writeVarUint(e, 0)
  encoding.writeVarString(e, '')
  encoding.writeVarUint8Array(e, EMPTY)
})

/** With nothing in it. */
const diff = message(CHANNEL, DIFF, (e) => {
  encoding.writeVarUint(e, 1)
  encoding.writeUint8Array(e, Uint8Array.of(0, 0))
})

/** What an awareness frame says: the clock of everybody who is here, by id. @typedef {Map<number, number>} Said */

/** The last few frames, as they came and as they were read. @type {{ bytes: Buffer, said: Said }[]} */
const recent = []
const RECENT_COUNT = 4

/** @param {Buffer} bytes @param {decoding.Decoder} body @returns {Said} */
function recall (bytes, body) {
  const known = recent.find((one) => one.bytes.equals(bytes))
  if (known) return known.said
  const said = read(body)
  recent.unshift({ bytes, said })
  recent.length = Math.min(recent.length, RECENT_COUNT)
  return said
}

/** @param {decoding.Decoder} decoder @returns {Said} */
function read (decoder) {
  const said = new Map()
  for (let n = decoding.readVarUint(decoder); n > 0; n--) {
    const id = decoding.readVarUint(decoder)
    const clock = decoding.readVarUint(decoder)
    const bytes = decoding.readVarUint(decoder)
    const isHere = decoder.arr[decoder.pos] !== 'n'.charCodeAt(0)
    decoder.pos += bytes
    if (isHere) said.set(id, clock)
  }
  return said
}

export class RawPerson {
  /** @type {Said[]} */
  #heard = []
  #clock = 0

  /** @param {RawSocket} socket @param {number} id */
  constructor (socket, id) {
    this.socket = socket
    this.id = id
    this.hasJoined = false
  }

  /** @param {{ ws: string }} server @param {string} room @param {number} id */
  static async open (server, room, id) {
    const socket = await RawSocket.open(`${server.ws}/v1/connect`, { protocols: ['roomtone.v1'] })
    const person = new RawPerson(socket, id)
    // The frames themselves are too many to keep.
    socket.ws.removeAllListeners('message')
    socket.ws.on('message', (data) => person.#read(/** @type {Buffer} */ (data)))
    socket.send(Buffer.concat([hello, join(room)]))
    await until(() => person.hasJoined, JOINED_MS_MAX, `person ${id} to be in the room`, () => socket.close_event)
    return person
  }

  /** @param {unknown} state */
  show (state) {
    const entries = [{ client: this.id, clock: ++this.#clock, state }]
    this.socket.send(message(CHANNEL, AWARENESS, (e) => encoding.writeUint8Array(e, awarenessUpdate(entries))))
  }

  get frames () { return this.#heard.length }

  /** In how many frames each was seen. @returns {Map<number, number>} */
  counts () {
    const counts = new Map()
    for (const said of this.#heard) for (const id of said.keys()) counts.set(id, (counts.get(id) ?? 0) + 1)
    return counts
  }

  /** Begins to count anew. */
  reset () { this.#heard = [] }

  close () { this.socket.drop() }

  /** @param {Buffer} frame */
  #read (frame) {
    const decoder = decoding.createDecoder(frame)
    while (decoding.hasContent(decoder)) {
      decoding.readVarUint(decoder)
      const type = decoding.readVarUint(decoder)
      const bytes = decoding.readVarUint(decoder)
      const from = decoder.pos
      if (type === STATE_VECTOR) {
        this.socket.send(diff)
        this.hasJoined = true
      }
      if (type === AWARENESS) {
        const said = recall(frame.subarray(from, from + bytes), decoder)
        this.#clock = Math.max(this.#clock, said.get(this.id) ?? 0)
        this.#heard.push(said)
      }
      decoder.pos = from + bytes
    }
  }
}
