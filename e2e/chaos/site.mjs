/**
 * Where a fault happens: a cluster, rooms that are open on all of its nodes, and real clients that write all along and count
 * what they made, what was called saved, and when it was seen on which node.
 *
 *   const site = await Site.open({ nodes: 2, chance })
 *   site.write(40)                          // edits a second, by random members, until rest()
 *   site.phase('away')                      // edits made from now on are told apart
 *   site.rest(); await site.equal(5_000)    // ms until all members of each room hold the same, and all of it
 *   site.slowest('away', LOCAL)             // ms from an edit to each other member on its author's node, at most
 *   await site.verdict()                    // { lost, doubled }, from fresh clients of nodes that were all killed
 *   await site.close()
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Cluster } from '../lib/cluster.mjs'
import { Member } from '../lib/fault-crew.mjs'
import { Ledger, broken, doubled } from '../lib/fault-ledger.mjs'
import { until } from '../lib/wait.mjs'

/** Sightings on the author's node, and on others. */
export const LOCAL = ({ from, to }) => from === to
export const ACROSS = ({ from, to }) => from !== to

/** The two that most applications use. */
export const KINDS = ['y-websocket-3', 'hocuspocus-4']
const TICK_MS = 10
const SAVED_MS_MAX = 30_000
const VERDICT_MS_MAX = 15_000

/** What a document says, in a form that can be compared. */
const content = (doc) => {
  const keys = (name) => [...doc.getMap(name).keys()].sort().join()
  return `${doc.getArray('order').toArray().join()}|${keys('edits')}|${keys('drafts')}`
}

export class Site {
  members = []
  ledger = new Ledger()
  /** Of each edit: where and when it was made, and in which phase. */
  edits = new Map()
  /** Edits that are called saved, in order. */
  acks = []
  #samples = new Map()
  #phase = 'before'
  #writers = 0
  #timer = null
  #lag = monitorEventLoopDelay({ resolution: 10 })

  constructor (cluster, chance, rooms, token) {
    Object.assign(this, { cluster, chance, rooms, token })
    this.#lag.enable()
  }

  /** A cluster with one member of each kind on each node in each room. */
  static async open ({ nodes = 2, rooms = 2, kinds = KINDS, chance, token, ...options }) {
    const cluster = await Cluster.start(nodes, options)
    const site = new Site(cluster, chance, Array.from({ length: rooms }, (_, i) => `chaos-${i}`), token)
    try {
      for (const room of site.rooms) cluster.nodes.forEach((node, n) => kinds.forEach((kind) => site.join(kind, room, n)))
      await Promise.all(site.members.map((member) => member.whenSynced()))
    } catch (error) {
      await site.close().catch(() => {})
      throw error
    }
    return site
  }

  /**
   * One member more. `target`: where it connects when that is not the node itself.
   *
   * @param {string} kind @param {string} room @param {number} n of the node
   * @param {{ target?: import('../lib/clients.mjs').Target, options?: import('../lib/clients.mjs').ClientOptions }} [more]
   */
  join (kind, room, n, { target = this.cluster.nodes[n], options } = {}) {
    const member = new Member(kind, target, room, {
      // Never the same twice: who leaves takes no name back.
      writer: `w${this.#writers++}`,
      options: { token: this.token, ...options },
      onAck: (id) => {
        this.acks.push({ id, at: performance.now() })
        this.ledger.acknowledge(room, id)
      },
      onSeen: (id) => this.#see(room, id, n)
    })
    this.members.push(Object.assign(member, { node: n }))
    return member
  }

  // ---- writing

  /** @param {number} per_second @param {(member: Member) => boolean} [who] */
  write (per_second, who = () => true) {
    const writers = this.members.filter(who)
    const began = performance.now()
    let made = 0
    this.rest()
    this.#timer = setInterval(() => {
      const due = Math.floor((performance.now() - began) / 1_000 * per_second)
      for (; made < due; made++) this.edit(this.chance.pick(writers))
    }, TICK_MS)
  }

  rest () { clearInterval(this.#timer) }

  edit (member) {
    // The clock starts before the edit: by the time it returns, it is on its way.
    const id = `${member.writer}-${member.ids.length}`
    this.edits.set(id, { phase: this.#phase, room: member.room, node: member.node, at: performance.now() })
    this.ledger.sent++
    return member.edit(this.chance)
  }

  /** @param {string} name */
  phase (name) { this.#phase = name }

  #see (room, id, n) {
    this.ledger.observe(room, id)
    const edit = this.edits.get(id)
    if (edit === undefined) return
    if (!this.#samples.has(edit.phase)) this.#samples.set(edit.phase, [])
    this.#samples.get(edit.phase).push({ ms: performance.now() - edit.at, from: edit.node, to: n })
  }

  // ---- figures

  /** Every sighting of an edit of this phase by another member: milliseconds since it was made, the author's node and the member's. */
  seen (phase, where = () => true) { return (this.#samples.get(phase) ?? []).filter(where) }

  /** The longest of those times. */
  slowest (phase, where) { return this.seen(phase, where).reduce((max, { ms }) => Math.max(max, ms), 0) }

  /** How many edits were made in a phase. */
  made (phase) { return [...this.edits.values()].filter((edit) => edit.phase === phase).length }

  /** How many edits of a phase were called saved before a moment. A client that was told so before it made them counts as well. */
  acknowledged (phase, before = Infinity) {
    return this.acks.filter(({ id, at }) => at < before && this.edits.get(id).phase === phase).length
  }

  get sockets () { return this.members.reduce((sum, { client }) => sum + client.sockets.length, 0) }

  /** How late this process itself was at worst since `clearLag`, in ms: figures below that say nothing. */
  get lag_ms () { return this.#lag.max / 1e6 }
  clearLag () { this.#lag.reset() }

  // ---- waiting

  /** Milliseconds until the present members of each room hold the same, with every edit that any of them made. */
  async equal (ms, who = () => true) {
    const began = performance.now()
    const rooms = this.rooms.map((room) => this.members.filter((member) => member.room === room && who(member)))
    const behind = () => rooms.flatMap((members) => {
      const all = new Set(members.flatMap(({ ids }) => ids)).size
      return members.filter(({ doc }) => doc.getMap('edits').size < all)
    })
    const isEqual = () => behind().length === 0 && rooms.every((members) => new Set(members.map(({ doc }) => content(doc))).size <= 1)
    await until(isEqual, ms, 'all nodes to hold the same', () => behind().map((member) => this.describe(member)))
    return performance.now() - began
  }

  /** Milliseconds until every client calls everything saved. */
  async saved (ms = SAVED_MS_MAX, who = () => true) {
    const began = performance.now()
    const owed = () => this.members.filter((member) => who(member) && (!member.saysSaved || member.unacknowledged > 0))
    await until(() => owed().length === 0, ms, 'everything to be called saved', () => owed().map((member) => this.describe(member)))
    return performance.now() - began
  }

  /** Until no node has anything left for its store. */
  async drained (ms = SAVED_MS_MAX) {
    const began = performance.now()
    const backlogs = () => Promise.all(this.cluster.nodes.filter((node) => node.isRunning()).map((node) => node.metric('roomtone_backlog_bytes')))
    await until(async () => (await backlogs()).every((bytes) => bytes === 0), ms, 'the backlogs to be written', backlogs)
    return performance.now() - began
  }

  describe (member) {
    return [`${member.client} on node ${member.node}`, `${member.doc.getMap('edits').size} edits`, `owed ${member.unacknowledged}`, member.client.describe()]
  }

  /**
   * What was promised and is not there, and what is there twice: told by fresh clients after every node was killed at once, so that
   * nothing is there but what a store has.
   */
  async verdict ({ nodes = [0] } = {}) {
    this.rest()
    for (const member of this.members) member.stayAway()
    await Promise.all(this.cluster.nodes.map((node) => node.kill()))
    for (const member of this.members) member.leave()
    const lost = []
    const twice = []
    for (const n of nodes) {
      const node = this.cluster.nodes[n]
      await node.revive()
      for (const room of this.rooms) {
        const reader = await new Member('y-websocket-3', node, room, { options: { token: this.token } }).whenSynced(VERDICT_MS_MAX)
        lost.push(...broken(reader.doc, this.ledger.promisedIn(room)))
        twice.push(...doubled(reader.doc))
        reader.leave()
      }
    }
    return { lost: lost.length, doubled: twice.length }
  }

  async close () {
    this.rest()
    this.#lag.disable()
    for (const member of this.members) member.leave()
    await this.cluster.stop()
  }
}
