/**
 * Holds both halves of "saved" in the SDK, over cut sockets, `kill -9`, polite restarts and closed tabs: what was called saved is in
 * the store, read by somebody who has nothing but that; and whoever stays is saved again within a bound, every time.
 *
 * ROOMTONE_SDK_ROUNDS (40; 1,000 with ROOMTONE_BAR=1, `node --test --test-timeout=7200000 test/sdk-saved.test.mjs`),
 * ROOMTONE_SEED to repeat a run.
 */
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import * as Y from 'yjs'
import { Ledger, broken, doubled } from '../lib/fault-ledger.mjs'
import { Chance, runSeed } from '../lib/fault-random.mjs'
import { spread } from '../lib/fault-rounds.mjs'
import { Proxy } from '../lib/proxy.mjs'
import { Person } from '../lib/sdk-crew.mjs'
import { cut, destroySdk, sdkClient, synced } from '../lib/sdk.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const ROUNDS = Number(process.env.ROOMTONE_SDK_ROUNDS ?? (process.env.ROOMTONE_BAR ? 1_000 : 40))
/** Rounds after which everybody moves on to new rooms: documents are to stay small. */
const CHAPTER_ROUNDS = 25
const PEOPLE = 4
const TICK_MS = 5
const EDITS_PER_TICK_MAX = 2
/** What each writes in the moment before a fault, and how long before. */
const BURST_EDITS_MAX = 5
const BURST_MS_MAX = 6
/** "Within a bound": on a machine that is busy with other tests as well. */
const SAVED_MS_MAX = 60_000
/** Of the pauses that the client would make: a thousand rounds are to end this year. */
const PAUSE_SHARE = 0.03

/** How often each happens. */
const FAULTS = { cutAll: 3, cutOne: 3, orphan: 2, tab: 3, offline: 2, kill: 4, sigterm: 1, cutAndTab: 2 }
const DRAWN = Object.entries(FAULTS).flatMap(([name, times]) => Array(times).fill(name))

/** @type {Server} */
let server
/** @type {Proxy} */
let proxy
afterEach(reportFailure(() => server))
after(async () => {
  destroySdk()
  await proxy?.stop()
  await server?.stop()
})

class Run {
  ledger = new Ledger()
  /** @type {Person[]} */
  people = []
  /** Ids that left with their author before they were saved. They may be there or not. @type {Set<string>} */
  forsaken = new Set()
  /** @type {string[]} */
  rooms = []
  settled_ms = /** @type {number[]} */ ([])
  /** Edits that were unsaved when something happened: without any, nothing is shown. */
  exposed = 0
  reads = 0
  /** What clients reported that are gone by now. @type {unknown[]} */
  errors = []
  #sent = 0
  #acknowledged = 0
  #writers = 0
  #chapter = 0

  /** @param {Chance} chance */
  constructor (chance) { this.chance = chance }

  arrive () {
    const random = this.chance.fork()
    const address = { ws: `ws://127.0.0.1:${proxy.port}` }
    const person = new Person({ server: address, ledger: this.ledger, writer: `w${this.#writers++}`, rooms: this.rooms, random: () => random.unit() * PAUSE_SHARE })
    this.people.push(person)
  }

  async begin () {
    this.end()
    this.rooms = [0, 1].map((n) => `chapter-${this.#chapter}-${n}`)
    this.#chapter++
    for (let n = 0; n < PEOPLE; n++) this.arrive()
    await this.settle()
  }

  /** Everybody leaves. */
  end () {
    for (const person of this.people.splice(0)) this.part(person)
    this.#sent += this.ledger.sent
    this.#acknowledged += this.ledger.counts.acked
    this.ledger = new Ledger()
  }

  /** @param {Person} person */
  part (person) {
    person.leave()
    this.errors.push(...person.client.errors)
  }

  get sent () { return this.#sent + this.ledger.sent }
  get acknowledged () { return this.#acknowledged + this.ledger.counts.acked }

  write () {
    const timer = setInterval(() => {
      for (let n = this.chance.between(0, EDITS_PER_TICK_MAX); n > 0; n--) {
        const person = this.chance.pick(this.people)
        person.edit(this.chance.pick(person.rooms), this.chance)
      }
    }, TICK_MS)
    return () => clearInterval(timer)
  }

  /** Never "unsaved" for ever. */
  async settle () {
    const began = performance.now()
    await until(() => this.people.every((person) => person.isSettled), SAVED_MS_MAX, 'everybody who stays to be saved',
      () => this.people.filter((person) => !person.isSettled).flatMap((person) => person.describe()))
    this.settled_ms.push(performance.now() - began)
  }

  /** Never "saved" with something lost: read by people without a past, on a way of their own. @param {string} when */
  async check (when) {
    const promised = this.rooms.map((room) => this.ledger.promisedIn(room))
    const client = sdkClient(server)
    const rooms = await Promise.all(this.rooms.map((name) => synced(client.open(name), SAVED_MS_MAX)))
    const lost = rooms.flatMap(({ doc }, n) => broken(doc, promised[n]).map((id) => `${this.rooms[n]}: ${id}`))
    const twice = rooms.flatMap(({ doc }) => doubled(doc))
    client.destroy()
    this.reads++
    assert.deepEqual({ lost, twice }, { lost: [], twice: [] }, when)
  }

  closeTab () {
    const [person] = this.people.splice(this.chance.between(0, this.people.length - 1), 1)
    for (const room of this.rooms) {
      const promised = this.ledger.promisedIn(room)
      for (const id of person.wrote(room)) if (!promised.has(id)) this.forsaken.add(id)
    }
    this.part(person)
    this.arrive()
  }

  /** Somebody works without a connection for a moment. */
  async goOffline () {
    const { client } = this.chance.pick(this.people)
    client.disconnect()
    await this.burst()
    client.connect()
  }

  /** The store alone is read before anybody who still remembers comes back. @param {() => Promise<void>} end @param {string} when */
  async restart (end, when) {
    await end()
    await until(() => this.people.every(({ client }) => client.status !== 'connected'), SAVED_MS_MAX, 'everybody to notice')
    proxy.refuse()
    await server.revive()
    await this.check(when)
    await proxy.accept()
  }

  /** Everybody writes a few words, and some of them get a little way. */
  async burst () {
    for (const person of this.people) {
      for (let n = this.chance.between(0, BURST_EDITS_MAX); n > 0; n--) person.edit(this.chance.pick(person.rooms), this.chance)
    }
    const way_ms = this.chance.between(0, BURST_MS_MAX)
    if (way_ms > 0) await new Promise((resolve) => setTimeout(resolve, way_ms))
  }

  /** @param {string} fault @param {string} when */
  async strike (fault, when) {
    await this.burst()
    this.exposed += this.people.reduce((sum, person) => sum + person.unsaved, 0)
    switch (fault) {
      case 'cutAll': return proxy.cut()
      case 'cutOne': return cut(this.chance.pick(this.people).client)
      case 'orphan': return proxy.orphanServerSide()
      case 'tab': return this.closeTab()
      case 'offline': return this.goOffline()
      case 'cutAndTab':
        proxy.cut()
        return this.closeTab()
      case 'kill': return this.restart(() => server.kill(), when)
      // Its clients are told when to come back; who has edits on the way keeps them.
      case 'sigterm': return await server.restart('SIGTERM')
    }
  }
}

test(`${ROUNDS} rounds: never "saved" with something lost, never "unsaved" for ever`, { timeout: 60_000 + ROUNDS * 15_000 }, async () => {
  const chance = new Chance(runSeed('sdk-saved'))
  server = await Server.start()
  proxy = await Proxy.start(server.port)
  const run = new Run(chance.fork())
  /** @type {Record<string, number>} */
  const struck = {}
  for (let round = 0; round < ROUNDS; round++) {
    if (round % CHAPTER_ROUNDS === 0) await run.begin()
    const fault = chance.pick(DRAWN)
    struck[fault] = (struck[fault] ?? 0) + 1
    const stop = run.write()
    try {
      // The moment of the fault is what this is about.
      await new Promise((resolve) => setTimeout(resolve, chance.between(20, 250)))
      await run.strike(fault, `round ${round}, ${fault}`)
      // It goes on while they come back.
      await new Promise((resolve) => setTimeout(resolve, chance.between(0, 100)))
    } finally {
      stop()
    }
    await run.settle()
    await run.check(`round ${round}, after ${fault}`)
    const isLast = (round + 1) % CHAPTER_ROUNDS === 0 || round === ROUNDS - 1
    if (isLast) await converged(run)
  }
  run.end()
  const settled = spread(run.settled_ms)
  console.log(
    `sdk-saved: ${ROUNDS} rounds ${JSON.stringify(struck)}, ${run.sent} edits, ${run.acknowledged} called saved, ${run.exposed} unsaved when it struck,`,
    `${run.forsaken.size} gone with their tab, ${run.reads} reads, 0 lost; saved again p50 ${settled.p50} ms, p99 ${settled.p99} ms, max ${settled.max} ms`
  )
  assert.deepEqual(run.errors, [])
  // Vacuous otherwise.
  assert.ok(run.acknowledged > run.sent / 2, `only ${run.acknowledged} of ${run.sent} edits were called saved`)
  assert.ok(run.exposed > 0, 'nothing was unsaved at any fault')
})

/** Everybody holds the same, and all that anybody who stayed has ever written is there once. @param {Run} run */
async function converged (run) {
  for (const [n, name] of run.rooms.entries()) {
    const docs = run.people.map((person) => person.rooms[n].doc)
    const read = () => docs.map((doc) => Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64'))
    await until(() => new Set(read().map((state) => state.length)).size === 1 && new Set(docs.map((doc) => JSON.stringify(doc.getArray('order').toJSON()))).size === 1,
      SAVED_MS_MAX, 'everybody to hold the same', () => docs.map((doc) => doc.getArray('order').length))
    const wrote = new Set(run.people.flatMap((person) => person.wrote(name)))
    assert.deepEqual(broken(docs[0], wrote), [])
    assert.deepEqual(doubled(docs[0]), [])
  }
}
