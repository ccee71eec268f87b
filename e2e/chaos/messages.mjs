/** What one edit costs on the bus: counted in Redis itself, by a subscriber to every channel. */
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../lib/wait.mjs'
import { KINDS, Site } from './site.mjs'

const EDITS = 50
const SEEN_MS_MAX = 5_000
const QUIET_MS = 500
/** Byte 0 is the version of the envelope, then come 16 bytes of the node. */
const SENDER_BYTES = 17
/** What stands in the place of the version where several messages travel as one. */
const BUNDLE = 2
const KINDS_ON_THE_BUS = ['update', 'awareness', 'digest', 'ask', 'answer', 'contest', 'bye', 'stateless', 'event', 'clocks', 'chat']

/** What kind of message this is: the header is bincode, whose numbers are as long as they must be. @param {Buffer} bytes */
function kindOf (bytes) {
  let at = SENDER_BYTES
  const number = () => {
    const first = bytes[at++]
    if (first < 251) return first
    const length = { 251: 2, 252: 4, 253: 8 }[first]
    at += length
    return bytes.readUIntLE(at - length, Math.min(length, 6))
  }
  // Incarnation, sequence, epoch.
  number(); number(); number()
  return KINDS_ON_THE_BUS[number()]
}

/** The messages in what was published: one, or each of those that a room said in one turn. @param {Buffer} bytes */
function messagesOf (bytes) {
  if (bytes[0] !== BUNDLE) return [bytes]
  const messages = []
  for (let at = 1; at < bytes.length;) {
    const length = bytes.readUInt32LE(at)
    messages.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return messages
}

/** Counts all that is published. */
export class Listener {
  counts = Object.fromEntries(KINDS_ON_THE_BUS.map((kind) => [kind, 0]))
  /** The nodes that have published an edit. */
  publishers = new Set()
  #bytes = Buffer.alloc(0)

  static async open (port) {
    const listener = new Listener()
    const socket = createConnection({ port, host: '127.0.0.1' })
    listener.socket = socket
    socket.on('data', (chunk) => listener.#read(chunk))
    socket.on('error', () => {})
    socket.write('PSUBSCRIBE *\r\n')
    await once(socket, 'data')
    return listener
  }

  #read (chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    for (;;) {
      const parts = this.#array()
      if (parts === null) return
      if (String(parts[0]) !== 'pmessage') continue
      for (const message of messagesOf(parts[3])) {
        const kind = kindOf(message)
        this.counts[kind]++
        if (kind === 'update') this.publishers.add(message.toString('hex', 1, SENDER_BYTES))
      }
    }
  }

  /** One whole answer of Redis, a list of strings; null until it is there. */
  #array () {
    let at = 0
    const line = () => {
      const end = this.#bytes.indexOf('\r\n', at)
      if (end < 0) return null
      const text = this.#bytes.toString('latin1', at, end)
      at = end + 2
      return text
    }
    const head = line()
    if (head === null) return null
    const parts = []
    for (let i = 0; i < Number(head.slice(1)); i++) {
      const length = line()
      if (length === null) return null
      if (length[0] !== '$') {
        parts.push(length)
        continue
      }
      const bytes = Number(length.slice(1))
      if (this.#bytes.length < at + bytes + 2) return null
      parts.push(this.#bytes.subarray(at, at + bytes))
      at += bytes + 2
    }
    this.#bytes = this.#bytes.subarray(at)
    return parts
  }

  close () { this.socket.destroy() }
}

/** Messages per edit, each made when the one before it was everywhere. */
async function measure (chance, nodes, kinds) {
  const site = await Site.open({ nodes, rooms: 1, kinds, chance })
  const listener = await Listener.open(site.cluster.redis.port)
  try {
    // A node that knows of no other where the room is open publishes nothing, and one that has just found Redis is not known yet.
    await until(() => {
      site.members.forEach((member) => site.edit(member))
      return listener.publishers.size === nodes
    }, SEEN_MS_MAX, 'every node to publish')
    await site.equal(SEEN_MS_MAX)
    await pause(QUIET_MS)
    const before = { ...listener.counts }
    for (let i = 0; i < EDITS; i++) {
      const id = site.edit(chance.pick(site.members))
      await until(() => site.members.every(({ doc }) => doc.getMap('edits').has(id)), SEEN_MS_MAX, 'the edit to be everywhere')
    }
    await pause(QUIET_MS)
    return (listener.counts.update - before.update) / EDITS
  } finally {
    listener.close()
    await site.close()
  }
}

/** @type {import('./fault.mjs').Fault} */
const perEdit = {
  name: 'messages-per-edit',
  family: 'Bus',
  about: `${EDITS} lone edits, counted in Redis`,
  seconds: 0,
  inCi: true,
  bars: {
    two_nodes: { what: 'messages per edit, 2 nodes with 1 member each', min: 1, max: 1 },
    three_nodes: { what: 'messages per edit, 3 nodes with 4 members each', min: 1, max: 1 }
  },
  async run ({ chance }) {
    return {
      two_nodes: await measure(chance, 2, ['y-websocket-3']),
      three_nodes: await measure(chance, 3, [...KINDS, ...KINDS])
    }
  }
}

export const faults = [perEdit]
