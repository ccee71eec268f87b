/**
 * What the crash and shutdown tests share: a crew that writes into twenty rooms, and the check of what survived.
 *
 *   const crew = new Crew({ server, ledger, chance, round: 3 })
 *   await crew.gather(); crew.write(300)
 *   crew.stayAway(); await server.kill(); await crew.gone()
 *   const readers = new Readers({ server, ledger, chance })
 *   const restart_ms = await readers.revive(); const { early, lost } = await readers.verdict()
 */
import { connect } from 'node:net'
import { DIALECT_KINDS } from './clients.mjs'
import { Member } from './fault-crew.mjs'
import { broken } from './fault-ledger.mjs'
import { until } from './wait.mjs'

export const ROOMS = Array.from({ length: 20 }, (_, i) => `room-${i}`)
const ARRIVAL_MS_MAX = 15_000
const TICK_MS = 10
const LATECOMER_EVERY_MS = 150
const LATECOMERS_MAX = 5
/** After "synced", how long a missing edit may take to be called late and not lost. */
const LATE_MS_MAX = 3_000

/** Waits until all have done something, and names those that have not. */
const all = (members, done, what) =>
  until(() => members.every(done), ARRIVAL_MS_MAX, what, () => members.filter((member) => !done(member)).map(({ client }) => [String(client), client.describe()]))

export class Crew {
  #timers = []
  #latecomers = []
  /** Clients that were told "synced" too soon: `{ client, missing }`. */
  early = []
  members = []

  constructor ({ server, ledger, chance, round, rooms = ROOMS }) {
    Object.assign(this, { server, ledger, chance, rooms, round })
  }

  /** One member of each dialect in every room: all write, and each watches what the other two do. */
  async gather () {
    this.members = this.rooms.flatMap((room, r) => DIALECT_KINDS.map((kind, k) => this.#join(kind, room, `${this.round}.${r}.${k}`)))
    await all(this.members, ({ isSynced }) => isSynced, 'every member to be synced')
  }

  /** Edits from random members, `per_second` in all, until `rest()`; and now and then somebody new comes to look. */
  write (per_second) {
    const began = performance.now()
    let made = 0
    this.#timers.push(setInterval(() => {
      const due = Math.floor((performance.now() - began) / 1_000 * per_second)
      for (; made < due; made++) {
        this.chance.pick(this.members).edit(this.chance)
        this.ledger.sent++
      }
    }, TICK_MS))
    this.#timers.push(setInterval(() => {
      this.#latecomers.push(this.#join(this.chance.pick(DIALECT_KINDS), this.chance.pick(this.rooms), ''))
      if (this.#latecomers.length > LATECOMERS_MAX) this.#latecomers.shift().leave()
    }, LATECOMER_EVERY_MS))
  }

  /** Nobody opens another socket: to be said before the server goes. */
  stayAway () {
    clearInterval(this.#timers.pop())
    for (const member of this.#everybody) member.stayAway()
  }

  /** Waits until every socket has been closed from the other side: what arrived before that was promised as well. */
  async gone () {
    clearInterval(this.#timers.pop())
    await all(this.members, ({ close }) => close, 'every socket to be closed')
    for (const member of this.#everybody) member.leave()
  }

  get #everybody () { return [...this.members, ...this.#latecomers] }

  #join (kind, room, writer) {
    const expected = this.ledger.acknowledgedIn(room)
    const member = new Member(kind, this.server, room, {
      writer,
      onAck: (id) => this.ledger.acknowledge(room, id),
      onSeen: (id) => this.ledger.observe(room, id),
      onSynced: (doc) => {
        const missing = broken(doc, expected)
        if (missing.length > 0) this.early.push({ client: String(member.client), missing })
      }
    })
    return member
  }
}

/** Fresh clients with no past, one in every room, that hold the server to its promises. */
export class Readers {
  #readers = []

  constructor ({ server, ledger, chance, rooms = ROOMS }) {
    this.server = server
    this.plan = rooms.map((room) => ({ room, kind: chance.pick(DIALECT_KINDS), promised: ledger.promisedIn(room) }))
  }

  /**
   * Starts the killed server again and gives the milliseconds until it takes a connection. The y-websocket readers
   * knock before it listens, as real clients do; the others would wait a second or more before they try again.
   */
  async revive () {
    const began = performance.now()
    const ready = this.server.revive()
    const eager = ({ kind }) => kind === 'y-websocket-3'
    this.plan.filter(eager).forEach((one) => this.#begin(one))
    const knock = () => new Promise((resolve) => {
      const socket = connect(this.server.port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      }).on('error', () => resolve(false))
    })
    const listening = until(knock, ARRIVAL_MS_MAX, 'the server to listen').then(() => performance.now() - began)
    await ready
    const listening_ms = await listening
    this.plan.filter((one) => !eager(one)).forEach((one) => this.#begin(one))
    return listening_ms
  }

  #begin ({ room, kind, promised }) {
    const options = { opts: kind === 'y-websocket-3' ? { maxBackoffTime: 100 } : {} }
    const member = new Member(kind, this.server, room, { options, onSynced: (doc) => (member.missing = broken(doc, promised)) })
    this.#readers.push(Object.assign(member, { promised }))
  }

  /** `early`: readers that were told "synced" before they held every promised edit. `lost`: edits that never came. */
  async verdict () {
    await all(this.#readers, ({ isSynced }) => isSynced, 'a fresh client of every room to be synced')
    const early = this.#readers.filter(({ missing }) => missing.length > 0)
    const absent = () => early.flatMap(({ client, doc, promised }) => broken(doc, promised).map((id) => `${client}: ${id}`))
    await until(() => absent().length === 0, LATE_MS_MAX, 'late edits').catch(() => {})
    const lost = absent()
    for (const reader of this.#readers) reader.leave()
    return { early: early.map(({ client, missing }) => ({ client: String(client), missing })), lost }
  }
}

/** The middle and the extremes of some measurements, rounded. @param {number[]} values */
export const spread = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (part) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] * 10) / 10
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}
