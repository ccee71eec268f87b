/**
 * Three nodes behind a balancer, drained or restarted one after the other under 200 people who write: each of them comes back once a
 * node, nothing is lost, and no more than a fifth of them are sent away in any second.
 *
 * In CI 80 people, HAProxy and a window of 5 s; ROOMTONE_BAR=1 takes 200, both balancers, the windows that nodes have by default, and
 * holds times to their bars.
 * ROOMTONE_ROLLING_CLIENTS (200).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, afterEach, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { BALANCER_KINDS, Balancer } from '../lib/balancer.mjs'
import { converged, destroyAll, freshRoom, join } from '../lib/clients.mjs'
import { Cluster } from '../lib/cluster.mjs'
import { reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

/** Two renewals of awareness, and a little. */
const PRESENCE_MS_MAX = 35_000
const IS_FULL = Boolean(process.env.ROOMTONE_BAR)
const CLIENTS = Number(process.env.ROOMTONE_ROLLING_CLIENTS ?? (IS_FULL ? 200 : 80))
const ROOM_CLIENTS = 10
const KINDS = ['y-websocket-3', 'hocuspocus-4', 'y-websocket-2', 'hocuspocus-2']
const WRITE_MS = 1_000
const BACK_MS_MAX = 5_000
/** As docs/OPERATIONS.md says: a balancer takes its time to believe that a node is back. */
const REST_MS = 3_000
const run = promisify(execFile)

/** The most of these moments that lie in one second. @param {number[]} moments in milliseconds */
const mostInASecond = (moments) => {
  const sorted = [...moments].sort((a, b) => a - b)
  return Math.max(0, ...sorted.map((from, n) => sorted.slice(n).filter((at) => at < from + 1_000).length))
}

/** @param {import('../lib/server.mjs').Server} node @param {...string} args */
const roomtone = async (node, ...args) => (await run(String(process.env.ROOMTONE_BIN), [...args, '--url', node.http])).stdout

for (const kind of IS_FULL ? BALANCER_KINDS : ['haproxy']) {
  describe(`behind ${kind}`, () => {
    /** @type {Cluster} */
    let cluster
    /** @type {Balancer} */
    let front

    before(async () => {
      cluster = await Cluster.start(3, { env: IS_FULL ? {} : { ROOMTONE_DRAIN_WINDOW_MS: '5000' }, atOnce: !IS_FULL })
      front = await Balancer.start(/** @type {any} */ (kind), cluster.nodes.map((node) => node.port))
    })
    for (const n of [0, 1, 2]) afterEach(reportFailure(() => cluster?.nodes[n]))
    afterEach(destroyAll)
    after(async () => {
      await front?.stop()
      await cluster?.stop()
    })

    test(`a rolling restart under ${CLIENTS} clients`, { timeout: 200_000 }, async () => {
      const through = /** @type {import('../lib/server.mjs').Server} */ (/** @type {unknown} */ (front))
      const rooms = Array.from({ length: CLIENTS / ROOM_CLIENTS }, () => {
        const room = freshRoom('rolling')
        return Array.from({ length: ROOM_CLIENTS }, (_, n) => {
          const id = KINDS[n % KINDS.length]
          return join(id, through, room, { state: { name: n }, at: id.startsWith('hocus') ? `hocuspocus?room=${room}` : 'yjs' })
        })
      })
      const clients = rooms.flat()
      await Promise.all(clients.map((client) => client.whenSynced(20_000)))
      const everybodySees = (/** @type {number} */ ms, /** @type {string} */ when) => until(
        () => clients.every((client) => client.peers().size === ROOM_CLIENTS - 1), ms, `everybody to see everybody ${when}`,
        () => clients.filter((client) => client.peers().size !== ROOM_CLIENTS - 1).map((client) => [String(client), client.peers().size]).slice(0, 5))
      await everybodySees(10_000, 'at first')

      // Everybody writes throughout, spread over the second; each edit is told from every other.
      let number = 0
      /** @type {Map<import('../lib/clients.mjs').Client, string[]>} */
      const wrote = new Map(clients.map((client) => [client, []]))
      let turn = 0
      const writing = setInterval(() => {
        for (let n = 0; n < CLIENTS / 20; n++) {
          const client = clients[turn++ % CLIENTS]
          const edit = `${number++}`
          wrote.get(client)?.push(edit)
          client.push('l', [edit])
        }
      }, WRITE_MS / 20)
      let doubled = 0
      const watching = setInterval(() => { doubled += clients.filter((client) => client.peers().size > ROOM_CLIENTS - 1).length }, 100)

      /** @type {object[]} */
      const figures = []
      const goings = []
      try {
        for (const node of cluster.nodes) {
          const sockets = clients.map((client) => client.sockets.length)
          const began = performance.now()
          await node.restart('SIGTERM')
          const restart_ms = performance.now() - began
          await until(() => clients.every((client) => client.synced()), BACK_MS_MAX, 'everybody to be back',
            () => clients.filter((client) => !client.synced()).map((client) => client.describe()).slice(0, 3))
          // People who hear only of who changes may wait for the next renewals of the others: 15 s each. On a machine with nothing
          // else to do it is at once.
          await everybodySees(IS_FULL ? BACK_MS_MAX : PRESENCE_MS_MAX, 'after a restart')
          const came = clients.map((client, n) => client.sockets.length - sockets[n])
          assert.ok(Math.max(...came) <= 1, `somebody came back ${Math.max(...came)} times`)
          const closes = clients.flatMap((client, n) => client.sockets.slice(sockets[n] - 1, -1)).filter(({ close }) => close !== null)
          assert.deepEqual([...new Set(closes.map(({ close }) => close?.code))], closes.length > 0 ? [1012] : [])
          const moments = closes.map(({ closedAt }) => Number(closedAt))
          goings.push(...moments)
          figures.push({ moved: closes.length, mostInASecond: mostInASecond(moments), restart_ms: Math.round(restart_ms) })
          await new Promise((resolve) => setTimeout(resolve, REST_MS))
        }
      } finally {
        clearInterval(writing)
        clearInterval(watching)
      }
      const stopped = performance.now()
      for (const room of rooms) {
        const all = room.flatMap((client) => wrote.get(client) ?? []).sort()
        await until(() => room.every((client) => client.array('l').length >= all.length), BACK_MS_MAX, 'every edit everywhere',
          () => [all.length, room.map((client) => [client.id, client.array('l').length])])
        await converged(room)
        assert.deepEqual([...room[0].array('l')].sort(), all, 'nothing lost, nothing doubled')
        await Promise.all(room.map((client) => client.whenSaved()))
      }
      const converge_ms = Math.round(performance.now() - stopped)
      console.log(`rolling, ${kind}: ${CLIENTS} clients, ${number} edits, 0 lost, converged ${converge_ms} ms after the last, presence doubled ${doubled} times;`,
        `each node: ${JSON.stringify(figures)}; most in a second ${mostInASecond(goings)} of ${CLIENTS}`)
      assert.equal(doubled, 0, 'nobody is there twice at any moment')
      // Other tests run beside this one in CI, and a process that comes late to read sees what came before all at once.
      assert.ok(mostInASecond(goings) <= CLIENTS / (IS_FULL ? 5 : 2), 'no more than a fifth in any second')
      assert.ok(converge_ms < BACK_MS_MAX)
      assert.doesNotMatch(front.log(), / 50[0-9] /, 'there was always a node to serve')
    })

    test('roomtone nodes lists them, and roomtone drain empties one that goes on running', { timeout: 60_000 }, async () => {
      const [first, second, third] = cluster.nodes
      const listed = async () => JSON.parse(await roomtone(first, 'nodes', '--json'))
      await until(async () => (await listed()).filter((/** @type {any} */ { state }) => state === 'ready').length === 3, 10_000, 'three to be ready', listed)
      const nodes = (await listed()).filter((/** @type {any} */ { state }) => state === 'ready')
      assert.deepEqual(nodes.map((/** @type {any} */ { address }) => address).sort(), cluster.nodes.map(({ host }) => host).sort())
      assert.equal(new Set(nodes.map((/** @type {any} */ { id }) => id)).size, 3)
      const table = (await roomtone(first, 'nodes')).trimEnd().split('\n')
      assert.match(table[0], /^ID +NAME +ADDRESS +VERSION +STATE +ROOMS +CONNECTIONS +UP +HEARD$/)
      for (const line of table.slice(1)) assert.equal(line.indexOf('ready'), table[0].indexOf('STATE'), line)

      const client = join('y-websocket-3', second, freshRoom('drained'))
      await client.whenSynced()
      client.insert('t', 0, 'kept')
      await assert.rejects(roomtone(first, 'drain', '--node', 'nobody'), /no living node/)
      // They all have the name of this machine.
      await assert.rejects(roomtone(first, 'drain', '--node', nodes[0].name), /is the name of 3 nodes/)
      const said = await roomtone(first, 'drain', '--node', second.host, '--window', '5s', '--wait')
      assert.match(said, /draining: 1 of 1 clients left/)
      assert.match(said.trimEnd().split('\n').at(-1) ?? '', /^drained: 0 of 1 clients left, 0 rooms, 0 bytes unsaved$/)
      assert.equal(client.sockets[0].close?.code, 1012)
      assert.ok(second.isRunning())
      assert.equal((await second.fetch('/readyz')).status, 503)
      await until(async () => (await listed()).find((/** @type {any} */ { address }) => address === second.host)?.state === 'draining', 5_000, 'the others to know')
      client.destroy()
      const late = join('y-websocket-3', third, client.room)
      await late.whenSynced()
      assert.equal(late.text('t'), 'kept')
      // There is nobody left for it to send away.
      const began = performance.now()
      await second.restart('SIGTERM')
      assert.ok(performance.now() - began < 5_000)
    })
  })
}
