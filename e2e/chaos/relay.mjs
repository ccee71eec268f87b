/** How long an edit takes to the other node, and what two nodes cost: measurements, judged only where a machine is free for them (ROOMTONE_BAR=1). */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as Y from 'yjs'
import { Balancer } from '../lib/balancer.mjs'
import { Cluster } from '../lib/cluster.mjs'
import { spread } from '../lib/fault-rounds.mjs'
import { RawSocket, readY, yStep1, yUpdate } from '../lib/raw.mjs'
import { until } from '../lib/wait.mjs'

const ROOMS = 20
const EDITS_PER_S = 300
const WARM_MS = 1_000
const ARRIVE_MS_MAX = 5_000
const STEP2 = 1

/** A reader that knows when each edit of a writer came, and holds no document. */
async function reader (node, room, client) {
  const socket = await RawSocket.open(`${node.ws}/yjs/${room}`)
  socket.send(yStep1())
  await socket.next((frame) => readY(frame)[0].type === 0 && readY(frame)[0].sub === STEP2, ARRIVE_MS_MAX, 'a Step2')
  /** @type {number[]} */
  const at = []
  socket.ws.on('message', (data) => {
    const now = performance.now()
    for (const { type, payload } of readY(data)) {
      if (type !== 0 || !payload) continue
      for (const { id, length } of Y.decodeUpdate(payload).structs) {
        // One character an edit: the clock is its number.
        for (let clock = id.clock; id.client === client && clock < id.clock + length; clock++) at[clock] ??= now
      }
    }
  })
  return { socket, at }
}

/** @type {import('./fault.mjs').Fault} */
const relay = {
  name: 'relay',
  family: 'Cost',
  about: `${EDITS_PER_S} edits a second in ${ROOMS} rooms: each edit at a reader on its own node and at one on the other`,
  seconds: 10,
  bars: {
    over_p50_ms: { what: 'an edit on the other node, after it was on its own, p50', max: 3, isBench: true },
    over_p99_ms: { what: 'the same, p99', max: 12, isBench: true },
    local_p50_ms: { what: 'on its own node, p50' },
    local_p99_ms: { what: 'the same, p99' },
    across_p50_ms: { what: 'on the other node, p50' },
    across_p99_ms: { what: 'the same, p99' },
    edits: { what: 'edits measured', min: 1 }
  },
  async run ({ seconds }) {
    const cluster = await Cluster.start(2)
    const sockets = []
    try {
      const rooms = await Promise.all(Array.from({ length: ROOMS }, async (_, r) => {
        const doc = new Y.Doc()
        const [home, away] = [cluster.nodes[r % 2], cluster.nodes[(r + 1) % 2]]
        const near = await reader(home, `relay-${r}`, doc.clientID)
        const far = await reader(away, `relay-${r}`, doc.clientID)
        const writer = await RawSocket.open(`${home.ws}/yjs/relay-${r}`)
        sockets.push(near.socket, far.socket, writer)
        doc.on('update', (update) => writer.send(yUpdate(update)))
        return { text: doc.getText('t'), near: near.at, far: far.at, sent: /** @type {number[]} */ ([]) }
      }))
      const began = performance.now()
      let made = 0
      while (performance.now() - began < seconds * 1_000) {
        for (; made < (performance.now() - began) / 1_000 * EDITS_PER_S; made++) {
          const room = rooms[made % ROOMS]
          room.sent.push(performance.now())
          room.text.insert(room.text.length, 'a')
        }
        await pause(1)
      }
      await until(() => rooms.every(({ sent, near, far }) => near.length === sent.length && far.length === sent.length), ARRIVE_MS_MAX, 'every edit everywhere')
      const edits = rooms.flatMap(({ sent, near, far }) => sent.map((at, n) => ({ at, near: near[n], far: far[n] }))).filter(({ at }) => at - began > WARM_MS)
      const [local, across, over] = [edits.map(({ at, near }) => near - at), edits.map(({ at, far }) => far - at), edits.map(({ near, far }) => far - near)].map(spread)
      return {
        over_p50_ms: over.p50,
        over_p99_ms: over.p99,
        local_p50_ms: local.p50,
        local_p99_ms: local.p99,
        across_p50_ms: across.p50,
        across_p99_ms: across.p99,
        edits: edits.length
      }
    } finally {
      for (const socket of sockets) socket.drop()
      await cluster.stop()
    }
  }
}

const JOIN_S = 2
const WARM_S = 4
const MARGIN_S = 0.5

/** What runs through each of the ways to spread clients: how many rooms, and in each how many people, of whom how many write how often. */
const LOADS = {
  'cost-crowd': { about: 'one room, 200 people, 20 of them write 20 times a second', rooms: 1, writers: 20, readers: 180, per_s: 20, us_max: 3.0 },
  'cost-rooms': { about: '500 rooms of 4 people, one of them writes twice a second', rooms: 500, writers: 1, readers: 3, per_s: 2, us_max: 40 }
}

/** @param {typeof LOADS['cost-crowd']} load @param {number} seconds */
const scenario = ({ rooms, writers, readers, per_s }, seconds) => {
  const part = (name, people, actions) => `
[[scenario]]
name = "${name}"
executor = { kind = "constant-vus", vus = ${people * rooms}, duration_s = ${WARM_S + seconds}, join_over_s = ${JOIN_S} }
room = "cost-{n}"
rooms = ${rooms}
${actions}`
  return `name = "cost"\nwarmup_s = ${WARM_S}\nsample_docs = 4\n` +
    part('writers', writers, `actions = [{ kind = "typing", per_s = ${per_s}, cursor = true }]\n`) + part('readers', readers, '')
}

/** One load on one way to spread it: CPU of all nodes for a million deliveries, messages on the bus for each edit, times. */
async function cost (load, seconds, nodes, change) {
  const program = process.env.ROOMTONE_LOADTEST_BIN
  assert.ok(program, 'ROOMTONE_LOADTEST_BIN must name the load generator (cargo build --bin roomtone-loadtest)')
  const folder = mkdtempSync(path.join(tmpdir(), 'roomtone-cost-'))
  const [plan, summary] = ['plan.toml', 'summary.json'].map((name) => path.join(folder, name))
  writeFileSync(plan, scenario(load, seconds))
  const cluster = await Cluster.start(nodes)
  const balancer = await Balancer.start('nginx', cluster.nodes.map(({ port }) => port), { change })
  try {
    const sum = async (read) => (await Promise.all(cluster.nodes.map(read))).reduce((sum, value) => sum + value, 0)
    const look = async () => ({
      at: performance.now(),
      cpu_s: await sum((node) => node.cpuSeconds()),
      published: await sum((node) => node.metric('roomtone_bus_published_total'))
    })
    const run = promisify(execFile)(program, ['run', plan, '--target', balancer.ws, '--json', summary, '--quiet'])
    const settled = run.catch((error) => error)
    await pause((WARM_S + MARGIN_S) * 1_000)
    const from = await look()
    await pause((seconds - MARGIN_S * 2) * 1_000)
    const to = await look()
    const ended = await settled
    if (ended instanceof Error) console.log(String(/** @type {any} */ (ended).stdout).slice(-1_500), String(ended.message).slice(0, 300))
    const { trends, counters, seconds: parts } = JSON.parse(readFileSync(summary, 'utf8'))
    const window_s = (to.at - from.at) / 1_000
    const edits = load.rooms * load.writers * load.per_s * window_s
    const steady = parts.filter(({ at_s }) => at_s > WARM_S + MARGIN_S && at_s < WARM_S + seconds - MARGIN_S)
    const deliveries_per_s = steady.reduce((sum, part) => sum + part.deliveries_per_s, 0) / steady.length
    return {
      us: (to.cpu_s - from.cpu_s) * 1e6 / (deliveries_per_s * window_s),
      per_edit: (to.published - from.published) / edits,
      deliveries_per_s,
      p99: trends.delivery_ms.p99,
      undelivered: counters.undelivered
    }
  } finally {
    await balancer.stop()
    await cluster.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** nginx without the line that sends each room to one node. @param {string} text */
const roundRobin = (text) => text.replace('hash $route consistent;', '')

/** @type {import('./fault.mjs').Fault[]} */
const costs = Object.entries(LOADS).map(([name, { about, ...load }]) => ({
  name,
  family: 'Cost',
  about: `${about}: one node, two nodes in turn, two nodes by room`,
  seconds: 10,
  bars: {
    one_us: { what: 'CPU of a delivery, one node' },
    two_us: { what: 'CPU of a delivery, both of two nodes, clients spread in turn', max: load.us_max, isBench: true },
    hash_us: { what: 'CPU of a delivery, both of two nodes, each room on one of them' },
    two_bus: { what: 'messages on the bus for an edit with its cursor, spread in turn' },
    hash_bus: { what: 'the same, each room on one node' },
    one_p99_ms: { what: 'delivery, p99, one node' },
    two_p99_ms: { what: 'delivery, p99, spread in turn' },
    hash_p99_ms: { what: 'delivery, p99, each room on one node' },
    undelivered: { what: 'edits that did not arrive', max: 0 },
    deliveries_per_s: { what: 'deliveries a second, spread in turn' }
  },
  async run ({ seconds }) {
    const one = await cost(load, seconds, 1, roundRobin)
    const two = await cost(load, seconds, 2, roundRobin)
    const hash = await cost(load, seconds, 2, (text) => text)
    return {
      one_us: one.us,
      two_us: two.us,
      hash_us: hash.us,
      two_bus: two.per_edit,
      hash_bus: hash.per_edit,
      one_p99_ms: one.p99,
      two_p99_ms: two.p99,
      hash_p99_ms: hash.p99,
      undelivered: one.undelivered + two.undelivered + hash.undelivered,
      deliveries_per_s: two.deliveries_per_s
    }
  }
}))

export const faults = [relay, ...costs]
