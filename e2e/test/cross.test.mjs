// All eight clients in one room: one document, one list of who is there, whatever anybody speaks.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { DIALECT_KINDS, KINDS, converged, destroyAll, freshRoom, open } from '../lib/clients.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

/** @type {Server} */
let server

before(async () => { server = await Server.start() })
afterEach(reportFailure(() => server))
afterEach(destroyAll)
after(() => server?.stop())

/** @param {string} room */
const everybody = (room) => Promise.all(KINDS.map(({ id }) => open(id, server, room, { state: { name: id } })))

/** @param {import('../lib/clients.mjs').Client} client */
const namesSeenBy = (client) => [...client.peers().values()].map((state) => state.name).sort()

test('eight clients edit at once and end equal', async () => {
  const room = freshRoom('all')
  const clients = await everybody(room)
  const rounds = 20
  for (let round = 0; round < rounds; round++) {
    for (const [i, client] of clients.entries()) {
      client.insert('t', (round * 7 + i) % (client.text('t').length + 1), String(i))
      client.set('m', `${client.id}-${round}`, { round })
      client.set('m', 'contested', `${client.id} ${round}`)
      client.push('l', [[i, round]])
    }
    // Lets the sockets breathe, so that edits cross on the way and not only at the end.
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const client of clients) client.addXml('x', 'p', { by: client.id }, client.version)
  await until(() => clients.every((c) => c.text('t').length === rounds * KINDS.length), 10_000, 'every letter on every side',
    () => clients.map((c) => [c.id, c.text('t').length]))
  const content = await converged(clients)
  assert.equal(content.arrays.l.length, rounds * KINDS.length)
  assert.equal(Object.keys(content.maps.m).length, rounds * KINDS.length + 1)
  for (const { id } of KINDS) assert.match(content.xmls.x, new RegExp(`by="${id}"`))
  await Promise.all(clients.map((c) => c.whenSaved()))
})

test('everybody sees everybody', async () => {
  const room = freshRoom('present')
  const clients = await everybody(room)
  for (const client of clients) {
    const others = KINDS.map((k) => k.id).filter((id) => id !== client.id).sort()
    await until(() => JSON.stringify(namesSeenBy(client)) === JSON.stringify(others), 3_000, `${client} to see the seven others`,
      () => namesSeenBy(client))
  }
  // One moves: all see it. One leaves: it is gone for all.
  for (const mover of clients) {
    mover.setPresence({ name: mover.id, cursor: 42 })
    await until(() => clients.every((c) => c === mover || c.peers().get(mover.clientID)?.cursor === 42), 1_000,
      `all to see ${mover.id} move`, () => clients.map((c) => [c.id, c.peers().get(mover.clientID)]))
  }
  for (const leaver of [...clients]) {
    clients.splice(clients.indexOf(leaver), 1)
    const { clientID } = leaver
    leaver.destroy()
    await until(() => clients.every((c) => !c.peers().has(clientID)), 1_000, `all to see ${leaver.id} gone`,
      () => clients.map((c) => [c.id, namesSeenBy(c)]))
  }
})

test('one name is one document under every dialect, at the root and at its mount', async () => {
  const room = freshRoom('same')
  const writer = await open('hocuspocus-4', server, room)
  writer.insert('t', 0, 'one document')
  await writer.whenSaved()
  const readers = await Promise.all([
    ...KINDS.map(({ id }) => open(id, server, room)),
    open('y-websocket-3', server, room, { at: '' }),
    open('hocuspocus-2', server, room, { at: '' }),
    open('hocuspocus-4', server, room, { at: '' })
  ])
  await converged([writer, ...readers])
  assert.equal(readers[0].text('t'), 'one document')
  for (const reader of readers) {
    reader.insert('t', 0, '+')
    await until(() => writer.text('t').startsWith('+'.repeat(readers.indexOf(reader) + 1)), 2_000, `${reader} to be heard`)
  }
  await converged([writer, ...readers])
})

test('two names are two documents', async () => {
  const [one, two] = [freshRoom('one'), freshRoom('two')]
  const writers = await Promise.all(DIALECT_KINDS.map((id) => open(id, server, one)))
  const strangers = await Promise.all(DIALECT_KINDS.map((id) => open(id, server, two, { state: { name: 'stranger' } })))
  for (const writer of writers) writer.insert('t', 0, 'secret')
  strangers[0].insert('t', 0, 'end')
  await until(() => strangers.every((c) => c.text('t') === 'end'), 2_000, 'the strangers to have their own')
  await until(() => writers.every((c) => c.text('t') === 'secret'.repeat(3)), 2_000, 'the writers to have theirs')
  assert.ok(writers.every((w) => namesSeenBy(w).every((name) => name !== 'stranger')))
})

test('offline edits of every dialect merge on return', async () => {
  const room = freshRoom('offline')
  const clients = await everybody(room)
  clients[0].insert('t', 0, 'base ')
  await converged(clients)
  for (const client of clients) client.disconnect()
  await Promise.all(clients.map((c) => c.whenDisconnected()))
  for (const client of clients) {
    client.insert('t', 5, `[${client.id}]`)
    client.push('l', [client.id])
  }
  for (const client of clients) client.connect()
  await until(() => clients.every((c) => c.array('l').length === KINDS.length), 10_000, 'all to be back', () => clients.map((c) => [c.id, c.array('l').length]))
  const content = await converged(clients)
  for (const { id } of KINDS) assert.ok(content.texts.t.includes(`[${id}]`), id)
})

test('what one dialect wrote is there for another after a kill -9', async () => {
  const own = await Server.start()
  try {
    const room = freshRoom('killed')
    for (const id of DIALECT_KINDS) {
      const writer = await open(id, own, room)
      const witness = await open('hocuspocus-3', own, room)
      writer.insert('t', 0, `${id};`)
      await until(() => witness.text('t').startsWith(id), 2_000, 'the witness to see it')
      // Every write of this client is saved when its own is.
      witness.set('m', id, true)
      await witness.whenSaved()
      writer.destroy()
      witness.destroy()
      await own.restart()
    }
    const readers = await Promise.all(KINDS.map(({ id }) => open(id, own, room)))
    const content = await converged(readers)
    for (const id of DIALECT_KINDS) assert.ok(content.texts.t.includes(`${id};`), `${id} in ${content.texts.t}`)
  } finally {
    destroyAll()
    await own.stop()
  }
})
