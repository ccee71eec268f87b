/**
 * PostgreSQL goes away in every way it knows: editing goes on, nothing is called saved that is not, and all of it heals by itself.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { DIALECT_KINDS } from '../lib/clients.mjs'
import { broken } from '../lib/fault-ledger.mjs'
import { until } from '../lib/wait.mjs'
import { DOUBLED, LAG, LOST, RECONNECTS, every } from './fault.mjs'
import { KINDS, Site } from './site.mjs'

const EDITS_PER_S = 40
const BEFORE_MS = 1_000
const FIRST_MS = 1_500
const HEAL_MS_MAX = 10_000
const COLD_MS_MAX = 60_000
const RESTART_EVERY_MS = 3_000
/** Rooms that nobody is in leave memory at once: a cold one is needed. */
const IDLE = ['--limit', 'room_idle_ms=200']

const WAYS = {
  'postgres-killed': {
    about: 'kill -9 of PostgreSQL with all its processes; it starts again and recovers',
    inCi: true,
    begin: async ({ postgres }) => {
      await postgres.kill()
      return () => postgres.start()
    }
  },
  'postgres-paused': {
    about: 'PostgreSQL with all its processes stands still (SIGSTOP)',
    begin: ({ postgres }) => {
      postgres.pause()
      return () => postgres.resume()
    }
  },
  'postgres-refused': {
    about: 'connections to PostgreSQL are reset, and new ones are refused',
    links: true,
    begin: ({ links }) => {
      for (const { postgres } of links) postgres.refuse()
      return () => Promise.all(links.map(({ postgres }) => postgres.accept()))
    }
  },
  'postgres-half-open': {
    about: 'bytes between nodes and PostgreSQL vanish without a word; open connections never come back',
    links: true,
    begin: ({ links }) => {
      for (const { postgres } of links) postgres.swallow()
      return () => links.forEach(({ postgres }) => postgres.restore())
    }
  },
  'postgres-restarted': {
    about: `PostgreSQL is shut down (SIGINT) and started every ${RESTART_EVERY_MS / 1_000} s`,
    comesBack: true,
    begin: ({ postgres }) => every(RESTART_EVERY_MS, async () => {
      await postgres.shutDown('SIGINT')
      await postgres.start()
    })
  }
}

const bars = {
  lost: LOST,
  doubled: DOUBLED,
  acked_meanwhile: { what: 'edits called saved while PostgreSQL was away', max: 0 },
  first_ms: { what: 'slowest live edit in the first moment, on any node', max: 400, isTime: true },
  live_ms: { what: 'slowest live edit from then on, on any node', max: 100, isTime: true },
  heal_ms: { what: 'everything called saved after the heal', max: HEAL_MS_MAX, isTime: true },
  cold_early: { what: 'clients let into a cold room that could not be read', max: 0 },
  cold_ms: { what: 'cold room open to y-websocket clients, with its content, after the heal', max: HEAL_MS_MAX, isTime: true },
  cold_all_ms: { what: 'to Hocuspocus clients too, which wait up to 30 s of their own' },
  reconnects: RECONNECTS,
  edits: { what: 'edits made while it lasted', min: 1 },
  lag_ms: LAG
}

/** Between two restarts it takes edits, and opens rooms; and each of them has a first moment. */
const { acked_meanwhile: _, cold_early: __, ...rest } = bars
const REPEATED = { ...rest, live_ms: { ...bars.live_ms, max: bars.first_ms.max } }

const COLD = 'chaos-cold'

/** Gives a room some edits, and waits until no node has it in memory. */
async function makeCold (site) {
  const member = await site.join('hocuspocus-4', COLD, 0).whenSynced()
  for (let i = 0; i < 20; i++) site.edit(member)
  await site.saved(HEAL_MS_MAX, (one) => one === member)
  member.leave()
  site.members.pop()
  const rooms = () => Promise.all(site.cluster.nodes.map((node) => node.metric('roomtone_rooms')))
  await until(async () => (await rooms()).every((count) => count === site.rooms.length), HEAL_MS_MAX, 'the cold room to be out of memory', rooms)
}

/** @type {import('./fault.mjs').Fault[]} */
const outages = Object.entries(WAYS).map(([name, { about, inCi, links, comesBack, begin }]) => ({
  name,
  family: 'PostgreSQL',
  about: `${about}; 2 nodes`,
  seconds: 12,
  inCi,
  bars: comesBack ? REPEATED : bars,
  async run ({ seconds, chance }) {
    const site = await Site.open({ nodes: 2, links, chance, args: IDLE })
    try {
      await makeCold(site)
      const residents = [...site.members]
      const isResident = (member) => residents.includes(member)
      site.write(EDITS_PER_S, isResident)
      await pause(BEFORE_MS)
      const { sockets } = site
      site.clearLag()
      const heal = await begin(site.cluster)
      site.phase('first')
      await pause(FIRST_MS)
      site.phase('away')
      const cold = KINDS.flatMap((kind) => [0, 1].map((n) => site.join(kind, COLD, n)))
      await pause(Math.max(seconds * 1_000 - FIRST_MS, 1_000))
      site.rest()
      const reconnects = site.sockets - sockets - cold.reduce((sum, { client }) => sum + client.sockets.length, 0)
      const early = cold.filter(({ isSynced }) => isSynced).length
      const healing = performance.now()
      const { lag_ms } = site
      await heal()
      const promised = site.ledger.promisedIn(COLD)
      const opened = async (who) => {
        const isOpen = () => who.every(({ isSynced, doc }) => isSynced && broken(doc, promised).length === 0)
        await until(isOpen, COLD_MS_MAX, 'the cold room to open', () => who.map((member) => site.describe(member)))
        return performance.now() - healing
      }
      const [heal_ms, cold_ms, cold_all_ms] = await Promise.all([
        site.saved(HEAL_MS_MAX * 6, isResident).then(() => performance.now() - healing),
        opened(cold.filter(({ kind }) => kind === 'y-websocket-3')),
        opened(cold)
      ])
      await site.equal(HEAL_MS_MAX)
      const meanwhile = site.acknowledged('first', healing) + site.acknowledged('away', healing)
      return {
        ...await site.verdict(),
        ...(comesBack ? {} : { acked_meanwhile: meanwhile, cold_early: early }),
        first_ms: site.slowest('first'),
        live_ms: site.slowest('away'),
        heal_ms,
        cold_ms,
        cold_all_ms,
        reconnects,
        edits: site.made('first') + site.made('away'),
        lag_ms
      }
    } finally {
      await site.close()
    }
  }
}))

const MIB = 1024 * 1024
const BACKLOG_MIB_MAX = 64
const PAGE_BYTES = 256 * 1024
const PAGES_COUNT_MAX = 400
/** So that the relay keeps up, and what fills is the backlog. */
const PAGE_EVERY_MS = 20
/** Codes that every client takes for "come back". */
const RETRYABLE = [1011, 1012, 1013]
/** An edit that was refused may be missing below the next one on a new socket (1008): whose reason says the same. */
const isRetryable = ({ code, reason }) => RETRYABLE.includes(code) || /come back/.test(reason)
/** A client's own close, as y-sweet's after 3 s of silence, and a socket that ended without one. */
const NOT_THE_SERVERS = [1005, 1006]
const REFUSED_MS_MAX = 20_000
const CLIENT_BACKOFF_MS_MAX = 40_000

/** @type {import('./fault.mjs').Fault} */
const backlog = {
  name: 'postgres-backlog',
  family: 'PostgreSQL',
  about: `PostgreSQL stands still while ${BACKLOG_MIB_MAX} MiB and more are written`,
  seconds: 0,
  bars: {
    pages_lost: { what: 'pages that are gone after the heal', max: 0 },
    saved_meanwhile: { what: 'clients that called their pages saved', max: 0 },
    backlog_mib: { what: 'backlog of a node at its largest', max: BACKLOG_MIB_MAX + 1, min: BACKLOG_MIB_MAX - 2 },
    refused: { what: 'sockets closed with a reason to come back', min: 1 },
    final: { what: 'sockets closed for good', max: 0 },
    others: { what: 'sockets that clients closed, or that ended without a word' },
    drained_ms: { what: 'backlogs written after the heal', max: HEAL_MS_MAX, isTime: true },
    saved_ms: { what: 'every client back by itself and saved', max: CLIENT_BACKOFF_MS_MAX, isTime: true }
  },
  async run ({ chance }) {
    const site = await Site.open({ nodes: 2, rooms: 8, kinds: DIALECT_KINDS, chance })
    try {
      const writers = site.members.filter(({ node }) => node === 0)
      const written = new Map(writers.map((member) => [member, 0]))
      const closes = () => site.members.flatMap(({ client }) => client.sockets.map(({ close }) => close).filter(Boolean))
      let backlog_bytes = 0
      const look = async () => {
        for (const node of site.cluster.nodes) backlog_bytes = Math.max(backlog_bytes, await node.metric('roomtone_backlog_bytes'))
      }
      site.cluster.postgres.pause()
      for (let page = 0; page < PAGES_COUNT_MAX; page++) {
        const member = writers[page % writers.length]
        member.doc.getMap('pages').set(`${member.writer}-${page}`, 'x'.repeat(PAGE_BYTES))
        written.set(member, written.get(member) + 1)
        await pause(PAGE_EVERY_MS)
        if (page % 5 === 0) await look()
      }
      await until(() => closes().length > 0, REFUSED_MS_MAX, 'a write to be refused', () => backlog_bytes)
      await look()
      const saved_meanwhile = writers.filter((member) => written.get(member) > 0 && member.client.saved() === true).length
      site.cluster.postgres.resume()
      const [drained_ms, saved_ms] = await Promise.all([
        site.drained(HEAL_MS_MAX * 4),
        (async () => {
          const began = performance.now()
          const isDone = () => writers.every(({ client }) => client.saved() !== false) && site.members.every((member) =>
            member.doc.getMap('pages').size === writers.filter(({ room }) => room === member.room).reduce((sum, writer) => sum + written.get(writer), 0))
          await until(isDone, CLIENT_BACKOFF_MS_MAX * 2, 'every client to be back and saved', () => writers.map((member) => site.describe(member)))
          return performance.now() - began
        })()
      ])
      const all = closes()
      // What a store has: from fresh clients of a node that was killed.
      await site.drained()
      for (const member of site.members) member.stayAway()
      await Promise.all(site.cluster.nodes.map((node) => node.kill()))
      await site.cluster.nodes[1].revive()
      let there = 0
      for (const room of site.rooms) {
        const reader = await site.join('y-websocket-3', room, 1).whenSynced()
        there += reader.doc.getMap('pages').size
      }
      return {
        pages_lost: PAGES_COUNT_MAX - there,
        saved_meanwhile,
        backlog_mib: backlog_bytes / MIB,
        refused: all.filter((close) => isRetryable(close) && close.reason !== '').length,
        final: all.filter((close) => !isRetryable(close) && !NOT_THE_SERVERS.includes(close.code)).length,
        others: all.filter(({ code }) => NOT_THE_SERVERS.includes(code)).length,
        drained_ms,
        saved_ms
      }
    } finally {
      site.cluster.postgres.resume()
      await site.close()
    }
  }
}

export const faults = [...outages, backlog]
