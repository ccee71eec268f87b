// Every client version by itself: content, presence, drops and returns, and long silence.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { KINDS, converged, destroyAll, freshRoom, open } from '../lib/clients.mjs'
import { RawSocket, readY, updateWith, yAwareness, yStep1, yUpdate } from '../lib/raw.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { holds, until } from '../lib/wait.mjs'

/** Longer than the 30 s after which every client closes a silent connection. */
const WATCHDOG_MS = 36_000

/** @type {Server} */
let server

before(async () => { server = await Server.start() })
afterEach(reportFailure(() => server))
afterEach(destroyAll)
after(() => server?.stop())

/** @param {import('../lib/clients.mjs').Client} client */
const firstPeer = (client) => [...client.peers().values()][0]

for (const kind of KINDS) {
  describe(`${kind.id} (${kind.version})`, () => {
    test('an empty document is synced', async () => {
      const a = await open(kind.id, server, freshRoom('empty'))
      assert.deepEqual(a.content(), { texts: { t: '' }, maps: { m: {} }, arrays: { l: [] }, xmls: { x: '' } })
      await a.whenSaved()
    })

    test('text, map, array and XML converge both ways', async () => {
      const room = freshRoom('content')
      const a = await open(kind.id, server, room)
      const b = await open(kind.id, server, room)
      a.insert('t', 0, 'hello 👋🏽 world')
      a.set('m', 'n', 1.5)
      a.push('l', ['x', 2, { deep: [true, null] }])
      a.addXml('x', 'p', { class: 'lead' }, 'one')
      await converged([a, b])
      b.insert('t', 5, ',')
      b.remove('t', 0, 1)
      b.set('m', 'n', -7)
      b.set('m', 'gone', 'soon')
      b.unset('m', 'gone')
      b.pull('l', 0, 1)
      b.addXml('x', 'p', { class: 'body' }, 'two')
      const content = await converged([a, b])
      assert.deepEqual(content, {
        texts: { t: 'ello, 👋🏽 world' },
        maps: { m: { n: -7 } },
        arrays: { l: [2, { deep: [true, null] }] },
        xmls: { x: '<p class="lead">one</p><p class="body">two</p>' }
      })
      await Promise.all([a.whenSaved(), b.whenSaved()])
    })

    test('edits made at the same moment are all kept', async () => {
      const room = freshRoom('race')
      const a = await open(kind.id, server, room)
      const b = await open(kind.id, server, room)
      for (let i = 0; i < 50; i++) {
        a.insert('t', 0, 'a')
        b.insert('t', 0, 'b')
        a.push('l', [i])
        b.set('m', `k${i}`, i)
      }
      await until(() => a.text('t').length === 100 && b.text('t').length === 100, 5_000, 'a hundred letters on both sides')
      const content = await converged([a, b])
      assert.equal(content.arrays.l.length, 50)
      assert.equal(Object.keys(content.maps.m).length, 50)
      // hocuspocus#825: the count of unsaved changes must come back to 0.
      await Promise.all([a.whenSaved(), b.whenSaved()])
    })

    test('a late joiner is given everything', async () => {
      const room = freshRoom('late')
      const a = await open(kind.id, server, room, { state: { name: 'early' } })
      a.insert('t', 0, 'before you came')
      a.set('m', 'k', { nested: ['v'] })
      a.addXml('x', 'h1', {}, 'title')
      await a.whenSaved()
      const b = await open(kind.id, server, room)
      await converged([a, b])
      await until(() => firstPeer(b)?.name === 'early', 1_000, 'the late joiner to see who is there', () => [...b.peers()])
    })

    test('a document is there again after everybody left', async () => {
      const room = freshRoom('left')
      const a = await open(kind.id, server, room)
      a.insert('t', 0, 'stays')
      // One who has seen it proves that the server has it: not every client can tell.
      const witness = await open(kind.id, server, room)
      await until(() => witness.text('t') === 'stays', 2_000, 'the witness to see it')
      a.destroy()
      witness.destroy()
      const b = await open(kind.id, server, room)
      assert.equal(b.text('t'), 'stays')
    })

    test('presence is seen both ways, changes, and goes within a second', async () => {
      const room = freshRoom('presence')
      const a = await open(kind.id, server, room, { state: { name: 'ann' } })
      const b = await open(kind.id, server, room, { state: { name: 'bob' } })
      await until(() => firstPeer(a)?.name === 'bob' && firstPeer(b)?.name === 'ann', 2_000, 'both to see each other',
        () => [[...a.peers()], [...b.peers()]])
      a.setPresence({ name: 'ann', cursor: { anchor: 3, head: 9 } })
      await until(() => firstPeer(b)?.cursor?.head === 9, 1_000, 'the cursor to move', () => [...b.peers()])
      a.setPresence(null)
      await until(() => b.peers().size === 0, 1_000, 'an explicit leave', () => [...b.peers()])
      a.setPresence({ name: 'ann again' })
      await until(() => firstPeer(b)?.name === 'ann again', 1_000, 'the return', () => [...b.peers()])
      a.destroy()
      await until(() => b.peers().size === 0, 1_000, 'the presence of a closed client to go', () => [...b.peers()])
    })

    test('after an abrupt drop the content converges and the presence is back', async () => {
      // y-websocket#122, blocksuite#3677: invisible for 15 s after a reconnect. hocuspocus#183: "synced" but silent.
      const room = freshRoom('drop')
      const a = await open(kind.id, server, room, { state: { name: 'ann' } })
      const b = await open(kind.id, server, room, { state: { name: 'bob' } })
      await until(() => firstPeer(b)?.name === 'ann', 2_000, 'bob to see ann')
      a.insert('t', 0, 'before ')
      await converged([a, b])

      const socketsBefore = a.sockets.length
      a.dropSocket()
      await until(() => a.sockets[socketsBefore - 1].close !== null, 2_000, 'the socket to be gone', () => a.describe())
      a.insert('t', 7, 'offline ')
      b.insert('t', 0, 'meanwhile ')
      await until(() => a.sockets.length > socketsBefore && a.socket?.opened, 10_000, 'the client to connect again', () => a.describe())
      const reopened = performance.now()
      await until(() => firstPeer(b)?.name === 'ann', 2_000, 'the presence to be back',
        () => ({ seen: [...b.peers()], after_ms: performance.now() - reopened }))
      await a.whenSynced()
      const content = await converged([a, b])
      assert.match(content.texts.t, /meanwhile/)
      assert.match(content.texts.t, /offline/)
      await Promise.all([a.whenSaved(), b.whenSaved()])
      assert.equal(b.peers().size, 1, 'no ghost of the dropped connection')
      // And it is alive, not only shown: the state still changes.
      a.setPresence({ name: 'ann', cursor: 5 })
      await until(() => firstPeer(b)?.cursor === 5, 1_000, 'the cursor after the return', () => [...b.peers()])
    })
  })
}

test('a client that is left alone for 36 s is not dropped, with presence or without', { timeout: 90_000 }, async () => {
  // A page that is alone in a room, or one that only reads and shows no presence: nothing arrives unless the server sends it.
  const clients = await Promise.all(KINDS.flatMap(({ id }) => [
    open(id, server, freshRoom('idle'), { state: { name: 'idle' } }),
    open(id, server, freshRoom('idle-null'), { state: null })
  ]))
  const broken = () => clients.filter((c) => c.sockets.length !== 1 || c.socket?.close !== null).map((c) => [String(c), c.describe()])
  await holds(WATCHDOG_MS, () => broken().length > 0 ? broken() : null, 'the silent connections')
  // They are not only open: they still carry edits.
  for (const client of clients) {
    const other = await open(client.id, server, client.room)
    client.insert('t', 0, 'still here')
    await until(() => other.text('t') === 'still here', 2_000, `${client} to be alive`)
  }
})

test('y-websocket up to 3 is sent one message per frame, y-sweet too', async () => {
  // These clients read the first message of a frame and forget the rest.
  for (const pathname of ['/yjs/', '/', 'y-sweet']) {
    const room = freshRoom('frames')
    const target = pathname === 'y-sweet' ? `${server.ws}/d/${room}/ws/${room}` : `${server.ws}${pathname}${room}`
    const writer = await open('y-websocket-3', server, room, { state: { name: 'writer' } })
    writer.insert('t', 0, 'content')
    const socket = await RawSocket.open(target)
    socket.send(yStep1())
    socket.send(yAwareness([{ client: 77, clock: 1, state: { name: 'raw' } }]))
    for (let i = 0; i < 20; i++) {
      socket.send(yUpdate(updateWith('x')))
      writer.insert('t', 0, 'y')
      writer.setPresence({ name: 'writer', i })
    }
    await until(() => writer.text('text').length === 20, 5_000, 'the writer to have all')
    await until(() => socket.frames.some((f) => readY(f)[0].type === 1), 2_000, 'presence frames')
    await until(() => socket.frames.some((f) => readY(f)[0].type === 0 && readY(f)[0].sub === 1), 2_000, 'a Step2 frame')
    for (const frame of socket.frames) {
      assert.equal(readY(frame).length, 1, `${pathname}: ${Buffer.from(frame).toString('hex')}`)
    }
    socket.close()
    writer.destroy()
  }
})

test('several messages in one frame are accepted from a client', async () => {
  const room = freshRoom('multi')
  const reader = await open('y-websocket-2', server, room)
  const socket = await RawSocket.open(`${server.ws}/yjs/${room}`)
  const parts = [yStep1(), yUpdate(updateWith('first ')), yUpdate(updateWith('second ')), yAwareness([{ client: 5, clock: 1, state: { name: 'raw' } }])]
  socket.send(Buffer.concat(parts))
  await until(() => reader.text('text').length === 13, 2_000, 'both updates', () => reader.text('text'))
  await until(() => firstPeer(reader)?.name === 'raw', 1_000, 'the presence behind them', () => [...reader.peers()])
  socket.close()
})
