/**
 * Nodes die, stand still, or lose sight of the rest: nothing that was promised is gone, and nothing stands twice.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Proxy } from '../lib/proxy.mjs'
import { until } from '../lib/wait.mjs'
import { DOUBLED, LAG, LOST } from './fault.mjs'
import { KINDS, LOCAL, Site } from './site.mjs'

const EDITS_PER_S = 40
const BEFORE_MS = 1_000
const EQUAL_MS_MAX = 5_000
const GHOST_MS_MAX = 10_000
const BACK_MS_MAX = 20_000
const IDLE = ['--limit', 'room_idle_ms=200']

/** An address that stays while the node behind it changes: what a balancer is to a client. @param {number} port */
export async function door (port) {
  const proxy = await Proxy.start(port)
  const host = `127.0.0.1:${proxy.port}`
  return { proxy, target: { host, http: `http://${host}`, ws: `ws://${host}` } }
}

const equal = { what: 'all nodes equal after the heal', max: EQUAL_MS_MAX, isTime: true }

/** @type {import('./fault.mjs').Fault} */
const killed = {
  name: 'node-killed',
  family: 'Nodes',
  about: 'kill -9 of one of 3 nodes; some of its clients come back through another node, some never do',
  seconds: 8,
  inCi: true,
  bars: {
    lost: LOST,
    doubled: DOUBLED,
    back_ms: { what: 'clients of the dead node in another one, by themselves', max: BACK_MS_MAX, isTime: true },
    ghosts_ms: { what: 'presence of who never came back is gone everywhere', max: GHOST_MS_MAX, isTime: true },
    live_ms: { what: 'slowest edit within a node that lives', max: 100, isTime: true },
    equal_ms: { ...equal, what: 'all clients equal after the last edit' },
    lag_ms: LAG
  },
  async run ({ seconds, chance }) {
    const site = await Site.open({ nodes: 3, chance })
    const { proxy, target } = await door(site.cluster.nodes[0].port)
    try {
      const goers = site.members.filter(({ node }) => node === 0)
      const comers = site.rooms.flatMap((room) => KINDS.map((kind) => site.join(kind, room, 0, { target })))
      await Promise.all(comers.map((member) => member.whenSynced()))
      for (const member of site.members) member.client.setPresence({ name: member.writer })
      const seenBy = (watcher, goer) => watcher.room === goer.room && watcher.client.peers().has(goer.client.clientID)
      const stayers = site.members.filter((member) => member.node !== 0)
      await until(() => stayers.every((watcher) => goers.every((goer) => goer.room !== watcher.room || seenBy(watcher, goer))), EQUAL_MS_MAX, 'everybody to be seen')
      site.write(EDITS_PER_S)
      await pause(BEFORE_MS)
      // Who stays away would heal with its memory the very loss that is looked for.
      for (const goer of goers) goer.stayAway()
      site.clearLag()
      proxy.targetPort = site.cluster.nodes[1].port
      site.phase('away')
      await site.cluster.nodes[0].kill()
      const began = performance.now()
      for (const comer of comers) comer.node = 1
      site.write(EDITS_PER_S, (member) => !goers.includes(member))
      const [back_ms, ghosts_ms] = await Promise.all([
        until(() => comers.every(({ client }) => client.sockets.filter(({ opened }) => opened).length > 1 && client.synced()), BACK_MS_MAX * 2, 'the clients of the dead node to be back',
          () => comers.map((member) => site.describe(member))).then(() => performance.now() - began),
        until(() => !stayers.some((watcher) => goers.some((goer) => seenBy(watcher, goer))), GHOST_MS_MAX * 2, 'the ghosts to be gone').then(() => performance.now() - began),
        pause(seconds * 1_000)
      ])
      await site.cluster.nodes[0].revive()
      site.rest()
      const { lag_ms } = site
      const isHere = (member) => !goers.includes(member)
      const equal_ms = await site.equal(EQUAL_MS_MAX * 4, isHere)
      await site.saved(BACK_MS_MAX, isHere)
      return {
        back_ms,
        ghosts_ms,
        live_ms: site.slowest('away', (seen) => LOCAL(seen) && seen.from === 2),
        equal_ms,
        ...await site.verdict({ nodes: [0, 1, 2] }),
        lag_ms
      }
    } finally {
      await proxy.stop()
      await site.close()
    }
  }
}

/** @type {import('./fault.mjs').Fault} */
const paused = {
  name: 'node-paused',
  family: 'Nodes',
  about: 'one of 2 nodes stands still (SIGSTOP) under its clients, and goes on',
  seconds: 10,
  bars: {
    lost: LOST,
    doubled: DOUBLED,
    equal_ms: equal,
    live_ms: { what: 'slowest edit within the other node', max: 100, isTime: true },
    lag_ms: LAG
  },
  async run ({ seconds, chance }) {
    const site = await Site.open({ nodes: 2, chance })
    try {
      site.write(EDITS_PER_S)
      await pause(BEFORE_MS)
      site.clearLag()
      site.cluster.nodes[0].pause()
      site.phase('away')
      await pause(seconds * 1_000)
      site.rest()
      site.cluster.nodes[0].resume()
      const { lag_ms } = site
      const equal_ms = await site.equal(EQUAL_MS_MAX * 4)
      await site.saved()
      return { equal_ms, live_ms: site.slowest('away', (seen) => LOCAL(seen) && seen.from === 1), ...await site.verdict({ nodes: [0, 1] }), lag_ms }
    } finally {
      site.cluster.nodes[0].resume()
      await site.close()
    }
  }
}

const VISIT_EDITS = 20
const VISIT_PAUSE_MS = 15
const VISIT_MS_MAX = 3_000
const VISITED = 4
const PATIENCE_MS_MAX = 40_000

/** Somebody comes to a room that sleeps, writes, and leaves: it falls asleep again, and is compacted. */
async function visit (site, n, kind) {
  const room = site.chance.pick(site.rooms)
  const member = site.join(kind, room, n)
  const isIn = await member.whenSynced(VISIT_MS_MAX).catch(() => null)
  for (let i = 0; isIn && i < VISIT_EDITS; i++) {
    site.edit(member)
    await pause(VISIT_PAUSE_MS)
  }
  // Who is not told that all is saved stays, as people do.
  const isSaved = await until(() => isIn && member.saysSaved && member.unacknowledged === 0, VISIT_MS_MAX, 'a visit to be saved').catch(() => false)
  if (isSaved) {
    member.leave()
    site.members.splice(site.members.indexOf(member), 1)
  }
}

/** From when on it is the servers' time that a client waits: at once if it was connected, or else its first attempt. */
function connectedOrTried ({ client }, moment) {
  const isAfter = ({ closedAt }) => closedAt === null || closedAt > moment
  return Math.max(moment, client.sockets.find(isAfter)?.madeAt ?? moment)
}

/** Each is what one of two nodes is cut from. */
const PARTITIONS = {
  'partition-redis': { about: 'from Redis', cut: ({ redis }) => [redis] },
  'partition-postgres': { about: 'from PostgreSQL', cut: ({ postgres }) => [postgres] },
  'partition-both': { about: 'from both', cut: ({ redis, postgres }) => [redis, postgres] }
}

/** @type {import('./fault.mjs').Fault[]} */
const partitions = Object.entries(PARTITIONS).map(([name, { about, cut }]) => ({
  name,
  family: 'Nodes',
  about: `one of 2 nodes is cut ${about} while rooms on both fall asleep, are compacted and opened`,
  seconds: 10,
  bars: {
    lost: LOST,
    doubled: DOUBLED,
    equal_ms: { ...equal, what: 'all is there for who comes to either node after the heal' },
    resident_ms: { ...equal, what: 'and for who was there, from when it was connected or tried again' },
    // A provider's pause grows with each attempt in vain (Hocuspocus: up to 30 s), whatever a server does.
    patience_ms: { what: 'longest pause of a provider between the heal and that attempt' },
    compactions: { what: 'compactions meanwhile, on the node with fewer', ...(name === 'partition-redis' ? { min: 1 } : {}) },
    visits: { what: 'visits meanwhile', min: 4 },
    edits: { what: 'edits made while it lasted', min: 1 }
  },
  async run ({ seconds, chance }) {
    const site = await Site.open({ nodes: 2, rooms: VISITED, kinds: [], links: true, args: IDLE, chance })
    try {
      const { nodes, links } = site.cluster
      let isOver = false
      let visits = 0
      const walkers = nodes.flatMap((_, n) => KINDS.map(async (kind) => {
        while (!isOver) {
          await visit(site, n, kind)
          visits++
        }
      }))
      await pause(BEFORE_MS)
      const compactions = () => Promise.all(nodes.map((node) => node.metric('roomtone_compactions_total')))
      const [before, visitsBefore] = [await compactions(), visits]
      for (const link of cut(links[0])) link.refuse()
      site.phase('away')
      await pause(seconds * 1_000)
      isOver = true
      await Promise.all(walkers)
      const after = await compactions()
      const meanwhile = visits - visitsBefore
      const healing = performance.now()
      for (const link of cut(links[0])) await link.accept()
      const residents = [...site.members]
      // Fresh eyes on both nodes.
      const fresh = site.rooms.flatMap((room) => nodes.map((_, n) => site.join('y-websocket-3', room, n)))
      const hasAll = ({ isSynced, doc, room }) => isSynced && [...site.ledger.promisedIn(room)].every((id) => doc.getMap('edits').has(id))
      const arrivals = new Map()
      const haveArrived = () => {
        for (const member of site.members) if (!arrivals.has(member) && hasAll(member)) arrivals.set(member, performance.now())
        return arrivals.size === site.members.length
      }
      await until(haveArrived, PATIENCE_MS_MAX, 'everybody to have all', () => site.members.filter((member) => !arrivals.has(member)).map((member) => site.describe(member)))
      const longest = (members, ms) => Math.max(0, ...members.map(ms))
      await site.equal(EQUAL_MS_MAX)
      await site.saved()
      await site.drained()
      return {
        equal_ms: longest(fresh, (member) => arrivals.get(member) - healing),
        resident_ms: longest(residents, (member) => arrivals.get(member) - connectedOrTried(member, healing)),
        patience_ms: longest(residents, (member) => connectedOrTried(member, healing) - healing),
        compactions: Math.min(...after.map((count, n) => count - before[n])),
        visits: meanwhile,
        edits: site.made('away'),
        ...await site.verdict({ nodes: [0, 1] })
      }
    } finally {
      await site.close()
    }
  }
}))

const STORM_CLIENTS = 40
const SEED_EDITS = 400

/** @type {import('./fault.mjs').Fault} */
const storm = {
  name: 'join-storm',
  family: 'Nodes',
  about: `${STORM_CLIENTS} clients open one cold room on 2 nodes at once, and each writes at once`,
  seconds: 0,
  inCi: true,
  bars: {
    lost: LOST,
    doubled: DOUBLED,
    early: { what: 'clients called synced before they had all', max: 0 },
    loads: { what: 'times that a node read the room', max: 1, min: 1 },
    equal_ms: { ...equal, what: 'everybody equal after the last edit' },
    synced_ms: { what: 'everybody in' },
    lag_ms: LAG
  },
  async run ({ chance }) {
    const site = await Site.open({ nodes: 2, rooms: 1, kinds: ['hocuspocus-4'], chance })
    try {
      const [room] = site.rooms
      for (let i = 0; i < SEED_EDITS; i++) site.edit(site.members[i % 2])
      await site.saved()
      await site.equal(EQUAL_MS_MAX)
      for (const member of site.members.splice(0)) member.leave()
      await Promise.all(site.cluster.nodes.map((node) => node.restart('SIGKILL')))
      const promised = site.ledger.promisedIn(room)
      site.clearLag()
      const began = performance.now()
      let early = 0
      const storm = Array.from({ length: STORM_CLIENTS }, (_, i) => {
        const member = site.join(KINDS[(i >> 1) % 2], room, i % 2)
        return member.whenSynced().then(() => {
          const edits = member.doc.getMap('edits')
          if ([...promised].some((id) => !edits.has(id))) early++
          site.edit(member)
        })
      })
      await Promise.all(storm)
      const synced_ms = performance.now() - began
      const equal_ms = await site.equal(EQUAL_MS_MAX * 2)
      await site.saved()
      const loads = Math.max(...await Promise.all(site.cluster.nodes.map((node) => node.metric('roomtone_load_seconds_count'))))
      const { lag_ms } = site
      return { equal_ms, synced_ms, early, loads, ...await site.verdict({ nodes: [0, 1] }), lag_ms }
    } finally {
      await site.close()
    }
  }
}

export const faults = [killed, paused, ...partitions, storm]
