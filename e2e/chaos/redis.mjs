/**
 * Redis goes away in every way it knows, under clients on several nodes that go on writing. (invariant 11: nothing on one node
 * waits for Redis; what the bus loses is found and repaired.)
 */
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { DOUBLED, LAG, LOST, RECONNECTS, every } from './fault.mjs'
import { ACROSS, LOCAL, Site } from './site.mjs'

const EDITS_PER_S = 40
const BEFORE_MS = 1_000
const EQUAL_MS_MAX = 5_000
const FLAP_MS = 300
const RESET_EVERY_MS = 200
const FLUSH_EVERY_MS = 500
const SLOW_MS = 250

/** Commands for Redis, whatever it answers. */
async function tell (port, lines) {
  const socket = createConnection({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.end(lines.map((line) => `${line}\r\n`).join(''))
  socket.resume()
  await once(socket, 'close')
}

/** Each begins, and gives back what heals it. */
const WAYS = {
  'redis-paused': {
    about: 'Redis stands still (SIGSTOP): connections stay, nothing is answered',
    begin: ({ redis }) => {
      redis.pause()
      return () => redis.resume()
    }
  },
  'redis-killed': {
    about: 'kill -9 of Redis; it starts again, empty, on the same port',
    nodes: 3,
    begin: async ({ redis }) => {
      await redis.kill()
      return () => redis.start()
    }
  },
  'redis-half-open': {
    about: 'bytes between nodes and Redis vanish without a word; open connections never come back',
    links: true,
    inCi: true,
    begin: ({ links }) => {
      for (const { redis } of links) redis.swallow()
      return () => links.forEach(({ redis }) => redis.restore())
    }
  },
  'redis-reset': {
    about: `every connection to Redis is reset every ${RESET_EVERY_MS} ms`,
    links: true,
    begin: ({ links }) => every(RESET_EVERY_MS, () => links.forEach(({ redis }) => redis.cut()))
  },
  'redis-flapping': {
    about: `Redis is reached and refused in turn, ${FLAP_MS} ms each`,
    links: true,
    nodes: 3,
    begin: ({ links }) => {
      let isAway = false
      const turn = async (away) => {
        if (away === isAway) return
        isAway = away
        for (const { redis } of links) await (away ? redis.refuse() : redis.accept())
      }
      const end = every(FLAP_MS, () => turn(!isAway))
      return async () => {
        await end()
        await turn(false)
      }
    }
  },
  'redis-flushed': {
    about: `FLUSHALL, SCRIPT KILL and CLIENT KILL of all connections every ${FLUSH_EVERY_MS} ms`,
    begin: ({ redis }) => every(FLUSH_EVERY_MS, () => tell(redis.port,
      ['FLUSHALL', 'SCRIPT KILL', 'CLIENT KILL TYPE pubsub', 'CLIENT KILL TYPE normal SKIPME yes']))
  },
  'redis-slow': {
    about: `every byte to and from Redis takes ${SLOW_MS} ms`,
    links: true,
    begin: ({ links }) => {
      for (const { redis } of links) redis.delay_ms = SLOW_MS
      return () => links.forEach(({ redis }) => { redis.delay_ms = 0 })
    }
  }
}

const bars = {
  equal_ms: { what: 'all nodes equal after the heal', max: EQUAL_MS_MAX, isTime: true },
  local_ms: { what: 'slowest edit on one node', max: 100, isTime: true },
  across_ms: { what: 'slowest edit between nodes while Redis is away', max: 2_000, isTime: true },
  after_ms: { what: 'slowest edit between nodes after the heal', max: 500, isTime: true },
  reconnects: RECONNECTS,
  lost: LOST,
  doubled: DOUBLED,
  edits: { what: 'edits made while it lasted', min: 1 },
  lag_ms: LAG
}

/** @type {import('./fault.mjs').Fault[]} */
const outages = Object.entries(WAYS).map(([name, { about, inCi, nodes = 2, links, begin }]) => ({
  name,
  family: 'Redis',
  about: `${about}; ${nodes} nodes`,
  seconds: 10,
  inCi,
  bars,
  async run ({ seconds, chance }) {
    const site = await Site.open({ nodes, links, chance })
    try {
      site.write(EDITS_PER_S)
      await pause(BEFORE_MS)
      const { sockets } = site
      site.clearLag()
      const heal = await begin(site.cluster)
      site.phase('away')
      await pause(seconds * 1_000)
      site.rest()
      await heal()
      const equal_ms = await site.equal(EQUAL_MS_MAX * 4)
      const { lag_ms } = site
      // What is new takes the bus again, and no repair.
      site.phase('after')
      site.write(EDITS_PER_S)
      await pause(BEFORE_MS)
      site.rest()
      await site.equal(EQUAL_MS_MAX)
      await site.saved()
      const reconnects = site.sockets - sockets
      return {
        equal_ms,
        local_ms: site.slowest('away', LOCAL),
        across_ms: site.slowest('away', ACROSS),
        after_ms: site.slowest('after', ACROSS),
        reconnects,
        ...await site.verdict(),
        edits: site.made('away'),
        lag_ms
      }
    } finally {
      await site.close()
    }
  }
}))

/** @type {import('./fault.mjs').Fault} */
const absent = {
  name: 'redis-absent',
  family: 'Redis',
  about: 'nodes that were never told of a Redis: PostgreSQL is all that is between them; 3 nodes',
  seconds: 10,
  bars: {
    equal_ms: { ...bars.equal_ms, what: 'all nodes equal after the last edit' },
    local_ms: bars.local_ms,
    across_ms: { ...bars.across_ms, what: 'slowest edit between nodes' },
    lost: LOST,
    doubled: DOUBLED,
    lag_ms: LAG
  },
  async run ({ seconds, chance }) {
    const site = await Site.open({ nodes: 3, redis: false, chance })
    try {
      site.write(EDITS_PER_S)
      await pause(BEFORE_MS)
      site.clearLag()
      site.phase('alone')
      await pause(seconds * 1_000)
      site.rest()
      const { lag_ms } = site
      const equal_ms = await site.equal(EQUAL_MS_MAX).catch(() => undefined)
      await site.saved()
      return {
        ...(equal_ms === undefined ? {} : { equal_ms, across_ms: site.slowest('alone', ACROSS) }),
        local_ms: site.slowest('alone', LOCAL),
        ...await site.verdict(),
        lag_ms
      }
    } finally {
      await site.close()
    }
  }
}

export const faults = [...outages, absent]
