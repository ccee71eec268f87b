// Two nodes over one PostgreSQL and one Redis: one document, whichever node a client is on, and whatever Redis does.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { DIALECT_KINDS, converged, destroyAll, freshRoom, open } from '../lib/clients.mjs'
import { Cluster, makePostgres, storeOf } from '../lib/cluster.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
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

/**
 * Every client writes a word in turn, and it has to be with all the others within 2 s.
 *
 * @param {import('../lib/clients.mjs').Client[]} clients @param {number} rounds @param {string} when
 */
async function crosses (clients, rounds, when) {
  /** @type {number[]} */
  const took_ms = []
  for (let round = 0; round < rounds; round++) {
    for (const [n, client] of clients.entries()) {
      const word = `<${when} ${round} ${n}>`
      const since = performance.now()
      client.insert('t', 0, word)
      await until(() => clients.every((other) => other.text('t').includes(word)), 2_000, `${word} of ${client.id} to be everywhere`,
        () => clients.map((other) => [other.id, other.text('t').includes(word)]))
      took_ms.push(performance.now() - since)
    }
  }
  took_ms.sort((a, b) => a - b)
  const rounded = [0.5, 1].map((share) => Math.round(took_ms[Math.ceil(took_ms.length * share) - 1]))
  console.log(`${when}: to the other node in ${rounded[0]} ms (p50), ${rounded[1]} ms (longest of ${took_ms.length})`)
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

test('while Redis is dead an edit is on the other node within 2 s, and when it is back nothing is missing and nobody reconnected', async () => {
  const clients = await everybody(freshRoom('redis'))
  await write(clients, 'a', 3)
  await converged(clients)
  const sockets = clients.map((client) => client.sockets.length)
  await cluster.redis.kill()
  // The first of them before any node has noticed.
  await crosses(clients, 5, 'Redis is dead')
  await Promise.all(clients.map((client) => client.whenSaved()))
  await cluster.redis.start()
  await write(clients, 'b', 5)
  await converged(clients)
  assert.deepEqual(clients.map((client) => client.sockets.length), sockets, 'nobody had to reconnect')
})

test('while Redis stands still an edit is on the other node within 2 s', async () => {
  const clients = await everybody(freshRoom('still'))
  await write(clients, 'a', 1)
  await converged(clients)
  cluster.redis.pause()
  try {
    await crosses(clients, 3, 'Redis stands still')
  } finally {
    cluster.redis.resume()
  }
  await converged(clients)
})

test('PostgreSQL restarts while Redis is dead: both nodes have everything soon after it is back', async () => {
  const clients = await everybody(freshRoom('both'))
  await write(clients, 'a', 2)
  await converged(clients)
  await cluster.redis.kill()
  await crosses(clients, 1, 'Redis is dead')
  await cluster.postgres.kill()
  await write(clients, 'b', 3)
  await cluster.postgres.start()
  await Promise.all(clients.map((client) => client.whenSaved(20_000)))
  const length = Math.max(...clients.map((client) => client.text('t').length))
  await until(() => new Set(clients.map((client) => client.text('t'))).size === 1 && clients[0].text('t').length >= length, 10_000,
    'both nodes to have everything', () => clients.map((client) => [client.id, client.text('t').length]))
  await cluster.redis.start()
  await converged(clients)
})

test('a node that is killed loses nothing that was saved, and its people are gone from the other one', async () => {
  const room = freshRoom('killed')
  const [first, second] = cluster.nodes
  const a = await open('hocuspocus-4', first, room, { state: { name: 'a' } })
  const b = await open('hocuspocus-4', second, room, { state: { name: 'b' } })
  await until(() => b.peers().size === 1, 5_000, 'each other to be seen')
  a.insert('t', 0, 'saved on the first node')
  await a.whenSaved()
  await first.kill()
  await until(() => b.peers().size === 0, 10_000, 'the ghosts of the dead node to be gone', () => [...b.peers().values()])
  await until(() => b.text('t') === 'saved on the first node', 10_000, 'what was saved there', () => b.text('t'))
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

test('without Redis nodes on one PostgreSQL edit one document, and each has the presence of its own clients', async () => {
  const alone = await Cluster.start(2, { redis: false })
  try {
    const room = freshRoom('alone')
    const clients = await Promise.all(alone.nodes.flatMap((node) => DIALECT_KINDS.map((id) => open(id, node, room, { state: { name: id } }))))
    await crosses(clients, 3, 'there is no Redis')
    await write(clients, 'x', 10)
    await converged(clients)
    await Promise.all(clients.map((client) => client.whenSaved()))
    // Presence is each node's own: nobody sees a ghost.
    const onOneNode = DIALECT_KINDS.length - 1
    await until(() => clients.every((client) => client.peers().size === onOneNode), 3_000, 'everybody to see those of their own node',
      () => clients.map((client) => [client.id, client.peers().size]))
    destroyAll()
  } finally {
    await alone.stop()
  }
})

test('a node that starts before PostgreSQL waits for it with readiness red, and one that is not let in ends at once', async () => {
  const postgres = await makePostgres({ isStarted: false })
  const env = { ROOMTONE_STORE: storeOf(postgres) }
  const starting = Server.start({ env })
  try {
    await assert.rejects(Server.start({ env, args: ['--store-wait', '0'] }), /cannot be opened[^]*refused/)
    await postgres.start()
    const node = await starting
    assert.match(node.log(), /the store is not there yet/)
    const client = await open('hocuspocus-4', node, freshRoom('early'))
    client.insert('t', 0, 'it came')
    await client.whenSaved()
    const since = performance.now()
    const elsewhere = { ROOMTONE_STORE: storeOf(postgres).replace('/postgres?', '/nowhere?') }
    await assert.rejects(Server.start({ env: elsewhere }), /nowhere.*CREATE DATABASE/)
    assert.ok(performance.now() - since < 5_000, 'nothing is waited for')
    destroyAll()
    await node.stop()
  } finally {
    await starting.then((node) => node.kill(), () => {})
    await postgres.kill()
    postgres.remove()
  }
})
