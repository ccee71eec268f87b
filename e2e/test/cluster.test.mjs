// Two nodes over one PostgreSQL and one Redis: one document, whichever node a client is on, and whatever Redis does.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { DIALECT_KINDS, converged, destroyAll, freshRoom, open } from '../lib/clients.mjs'
import { Cluster } from '../lib/cluster.mjs'
import { reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

/** @type {Cluster} */
let cluster

before(async () => { cluster = await Cluster.start(2) })
afterEach(reportFailure(() => cluster?.nodes[0]))
afterEach(reportFailure(() => cluster?.nodes[1]))
afterEach(destroyAll)
after(() => cluster?.stop())

/** One client of each dialect on each node. @param {string} room */
const everybody = (room) => Promise.all(cluster.nodes.flatMap((node, n) =>
  DIALECT_KINDS.map((id) => open(id, node, room, { state: { name: `${id} on ${n}` } }))))

/** @param {import('../lib/clients.mjs').Client[]} clients @param {string} letter @param {number} rounds */
async function write (clients, letter, rounds) {
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) client.insert('t', client.text('t').length, letter)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('clients of all dialects on two nodes edit one document, see each other, and hear that it is saved', async () => {
  const clients = await everybody(freshRoom('nodes'))
  await write(clients, 'a', 10)
  await until(() => clients.every((client) => client.text('t').length === 10 * clients.length), 5_000, 'every letter everywhere',
    () => clients.map((client) => [client.id, client.text('t').length]))
  await converged(clients)
  await until(() => clients.every((client) => client.peers().size === clients.length - 1), 3_000, 'everybody to see everybody',
    () => clients.map((client) => [client.id, client.peers().size]))
  await Promise.all(clients.map((client) => client.whenSaved()))

  // One leaves: it is gone on the other node too.
  const [leaver, ...stayers] = clients
  leaver.destroy()
  await until(() => stayers.every((client) => client.peers().size === stayers.length - 1), 1_000, 'the leaver to be gone everywhere',
    () => stayers.map((client) => [client.id, client.peers().size]))
})

test('a stateless message of a Hocuspocus client reaches those on the other node, once', async () => {
  const room = freshRoom('stateless')
  const ids = ['hocuspocus-2', 'hocuspocus-3', 'hocuspocus-4']
  const here = await Promise.all(ids.map((id) => open(id, cluster.nodes[0], room)))
  const there = await Promise.all(ids.map((id) => open(id, cluster.nodes[1], room)))
  const heard = (/** @type {any} */ client) => client.statelessReceived
  for (const payload of ['{"a":1}', 'x'.repeat(60_000)]) here[0].provider.sendStateless(payload)
  await until(() => [...here.slice(1), ...there].every((client) => heard(client).length === 2), 3_000, 'both messages everywhere',
    () => [...here, ...there].map((client) => heard(client).length))
  // An edit behind them has come, so nothing more is on its way.
  here[0].insert('t', 0, 'last')
  await until(() => there.every((client) => client.text('t') === 'last'), 3_000, 'what was said last')
  for (const client of [...here.slice(1), ...there]) assert.deepEqual(heard(client).map((/** @type {string} */ { length }) => length), [7, 60_000])
  assert.equal(heard(here[0]).length, 0)
})

test('what is edited while Redis is dead is on both nodes soon after it is back, with no reconnect', async () => {
  const clients = await everybody(freshRoom('redis'))
  await write(clients, 'a', 3)
  await converged(clients)
  const sockets = clients.map((client) => client.sockets.length)
  await cluster.redis.kill()
  await write(clients, 'b', 5)
  // Each node goes on by itself, and saves.
  await Promise.all(clients.map((client) => client.whenSaved()))
  await cluster.redis.start()
  await until(() => clients.every((client) => client.text('t').length === 8 * clients.length), 5_000, 'all of it everywhere',
    () => clients.map((client) => [client.id, client.text('t').length]))
  await converged(clients)
  assert.deepEqual(clients.map((client) => client.sockets.length), sockets, 'nobody had to reconnect')
})

test('a node that is killed loses nothing that was saved, and its people are gone from the other one', async () => {
  const room = freshRoom('killed')
  const [first, second] = cluster.nodes
  const a = await open('hocuspocus-4', first, room, { state: { name: 'a' } })
  const b = await open('hocuspocus-4', second, room, { state: { name: 'b' } })
  a.insert('t', 0, 'saved on the first node')
  await a.whenSaved()
  await first.kill()
  await until(() => b.peers().size === 0, 10_000, 'the ghosts of the dead node to be gone', () => [...b.peers().values()])
  assert.equal(b.text('t'), 'saved on the first node')
  b.insert('t', 0, 'and ')
  await b.whenSaved()
  await first.revive()
  await until(() => a.text('t') === 'and saved on the first node', 10_000, 'the client of the dead node to be back', () => a.text('t'))
  await until(() => b.peers().size === 1, 5_000, 'it to be seen again', () => [...b.peers().values()])
})

test('while PostgreSQL stands still nothing is saved and everybody sees everything; then all of it is saved', async () => {
  const room = freshRoom('paused')
  const [a, b] = await Promise.all(cluster.nodes.map((node) => open('hocuspocus-4', node, room)))
  a.insert('t', 0, 'a')
  await Promise.all([a.whenSaved(), until(() => b.text('t') === 'a', 3_000, 'b to have it')])
  cluster.postgres.pause()
  try {
    a.insert('t', 1, 'b')
    await until(() => b.text('t') === 'ab', 2_000, 'the edit to cross without a store', () => b.text('t'))
    assert.equal(a.saved(), false)
  } finally {
    cluster.postgres.resume()
  }
  await a.whenSaved()
  const late = await open('y-websocket-3', cluster.nodes[1], room)
  assert.equal(late.text('t'), 'ab')
})
