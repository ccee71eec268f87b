// What only Hocuspocus has: many documents on one socket, sessions, stateless messages, the count of unsaved changes, tokens in frames.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { HocuspocusSocket, KINDS, destroyAll, freshRoom, join, open } from '../lib/clients.mjs'
import { mint } from '../lib/jwt.mjs'
import { EMPTY_UPDATE, RawSocket, hocus, readHocus, updateWith } from '../lib/raw.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { settled, until } from '../lib/wait.mjs'

const SECRET = 'hocuspocus-secret-that-is-long-enough-for-hs256'
const VERSIONS = KINDS.filter((k) => k.dialect === 'hocuspocus')

const [AUTH, STATELESS, BROADCAST_STATELESS, CLOSE, SYNC_STATUS] = [2, 5, 6, 7, 8]

/** Open to all. @type {Server} */
let server
/** Tokens needed. @type {Server} */
let guarded
/** @type {HocuspocusSocket[]} */
let sockets = []

before(async () => {
  [server, guarded] = await Promise.all([Server.start(), Server.start({ jwtSecret: SECRET })])
})
afterEach(reportFailure(() => server))
afterEach(reportFailure(() => guarded))
afterEach(() => {
  destroyAll()
  for (const socket of sockets) socket.destroy()
  sockets = []
})
after(async () => {
  await server?.stop()
  await guarded?.stop()
})

/** @param {string} id @param {Server} [at] */
const sharedSocket = (id, at = server) => {
  const socket = new HocuspocusSocket(id, at)
  sockets.push(socket)
  return socket
}

for (const { id, version } of VERSIONS) {
  describe(`${id} (${version})`, () => {
    test('several documents on one socket, each with its own content and people', async () => {
      const rooms = [freshRoom('one'), freshRoom('two'), freshRoom('three/with slash')]
      const over = sharedSocket(id)
      const mine = await Promise.all(rooms.map((room) => open(id, server, room, { over, state: { name: `me in ${room}` } })))
      const theirs = await Promise.all(rooms.map((room) => open(id, server, room, { state: { name: `other in ${room}` } })))
      assert.equal(over.sockets.length, 1)
      for (const [i, client] of mine.entries()) client.insert('t', 0, `text ${i}`)
      for (const [i, other] of theirs.entries()) {
        await until(() => other.text('t') === `text ${i}`, 2_000, `document ${i}`, () => other.text('t'))
        await until(() => [...other.peers().values()].map((s) => s.name).join() === `me in ${rooms[i]}`, 2_000, `the people in ${i}`,
          () => [...other.peers()])
        other.insert('t', 0, '> ')
        await until(() => mine[i].text('t') === `> text ${i}`, 2_000, `document ${i} back`)
        await mine[i].whenSaved()
      }
    })

    test('one document is detached, the others on its socket live', async () => {
      const over = sharedSocket(id)
      const [stays, goes] = [freshRoom('stays'), freshRoom('goes')]
      const kept = await open(id, server, stays, { over, state: { name: 'kept' } })
      const left = await open(id, server, goes, { over, state: { name: 'left' } })
      const witness = await open(id, server, goes)
      await until(() => witness.peers().size === 1, 1_000, 'the witness to see who will leave')
      left.destroy()
      await until(() => witness.peers().size === 0, 1_000, 'the detached one to be gone', () => [...witness.peers()])
      witness.insert('t', 0, 'not for the one who left')
      kept.insert('t', 0, 'still here')
      await kept.whenSaved()
      const reader = await open(id, server, stays)
      assert.equal(reader.text('t'), 'still here')
      assert.equal(over.sockets.length, 1)
      assert.equal(over.sockets[0].close, null)
      // And the same document again on the same socket.
      const returned = await open(id, server, goes, { over })
      assert.equal(returned.text('t'), 'not for the one who left')
    })

    test('the count of unsaved changes rises with an edit and comes back to 0', async () => {
      // hocuspocus#825: it drifts. #548, #614, #635, #654: the saved indicator must be honest.
      const room = freshRoom('unsaved')
      const a = await open(id, server, room)
      await a.whenSaved()
      /** @type {number[]} */
      const counts = []
      a.provider.on('unsyncedChanges', (/** @type {any} */ event) => counts.push(typeof event === 'number' ? event : event.number))
      a.insert('t', 0, 'x')
      assert.equal(a.provider.hasUnsyncedChanges, true)
      await a.whenSaved()
      assert.deepEqual(counts, [1, 0])
      for (let i = 0; i < 200; i++) a.insert('t', 0, 'y')
      assert.equal(a.provider.unsyncedChanges, 200)
      await a.whenSaved()
      assert.equal(a.provider.unsyncedChanges, 0)
      await settled(() => counts.length, 200, 2_000, 'no further acknowledgement')
      assert.equal(Math.min(...counts), 0, 'no acknowledgement too many')
    })

    test('unsaved changes made offline are counted off after the return', async () => {
      const room = freshRoom('offline')
      const a = await open(id, server, room)
      await a.whenSaved()
      a.disconnect()
      await a.whenDisconnected()
      for (let i = 0; i < 5; i++) a.insert('t', 0, 'z')
      assert.equal(a.provider.hasUnsyncedChanges, true)
      a.connect()
      const b = await open(id, server, room)
      await until(() => b.text('t') === 'zzzzz', 5_000, 'the offline edits to arrive')
      await a.whenSaved()
    })

    test('stateless messages reach the others and not their author', async () => {
      const room = freshRoom('stateless')
      const [a, b, c] = /** @type {any[]} */ (await Promise.all([1, 2, 3].map(() => open(id, server, room))))
      const stranger = /** @type {any} */ (await open(id, server, freshRoom('stranger')))
      a.provider.sendStateless('{"hello":"wörld"}')
      await until(() => b.statelessReceived.length === 1 && c.statelessReceived.length === 1, 2_000, 'both to get it')
      assert.deepEqual(b.statelessReceived, ['{"hello":"wörld"}'])
      b.provider.sendStateless('answer')
      await until(() => a.statelessReceived.length === 1, 2_000, 'the answer')
      assert.deepEqual(a.statelessReceived, ['answer'])
      assert.deepEqual(stranger.statelessReceived, [])
    })

    test('a bad token fails, and a good one on the same socket is let in', async () => {
      // hocuspocus#190, #676: a refused token can be replaced without a new connection.
      const room = freshRoom('retry')
      const over = sharedSocket(id, guarded)
      const other = await open(id, guarded, freshRoom('neighbour'), { over, token: mint({}, SECRET) })
      const refused = join(id, guarded, room, { over, token: 'rubbish' })
      await until(() => refused.denials.length > 0, 2_000, 'authenticationFailed', () => refused.describe())
      assert.equal(refused.synced(), false)
      refused.destroy()
      const accepted = await open(id, guarded, room, { over, token: mint({}, SECRET) })
      accepted.insert('t', 0, 'in')
      await accepted.whenSaved()
      other.insert('t', 0, 'undisturbed')
      await other.whenSaved()
      assert.equal(over.sockets.length, 1, 'one socket for all of it')
      assert.equal(accepted.provider.authorizedScope, 'read-write')
    })

    test('a reader is told "readonly", and its edits go nowhere', async () => {
      const room = freshRoom('readonly')
      const editor = await open(id, guarded, room, { token: mint({ sub: 'e' }, SECRET) })
      editor.insert('t', 0, 'theirs')
      await editor.whenSaved()
      const viewer = await open(id, guarded, room, { token: mint({ sub: 'v', role: 'viewer' }, SECRET), state: { name: 'reader' } })
      assert.equal(viewer.provider.authorizedScope, 'readonly')
      assert.equal(viewer.text('t'), 'theirs')
      await viewer.whenSaved()
      await until(() => editor.peers().size === 1, 2_000, 'the reader to be seen: presence is no edit')
      viewer.insert('t', 0, 'mine ')
      assert.equal(viewer.provider.hasUnsyncedChanges, true)
      // What the editor does afterwards arrives: so the refusal has been handled by then.
      editor.insert('t', 6, '!')
      await until(() => viewer.text('t') === 'mine theirs!', 2_000, 'the reader to be kept up to date', () => viewer.text('t'))
      await editor.whenSaved()
      assert.equal(editor.text('t'), 'theirs!')
      assert.equal(viewer.provider.hasUnsyncedChanges, true, 'a refused edit is not called saved')
      const witness = await open(id, guarded, room, { token: mint({ sub: 'w' }, SECRET) })
      assert.equal(witness.text('t'), 'theirs!')
      // opf/openproject PR #22125: nor after a reconnect, when the whole document is offered as a Step2.
      viewer.dropSocket()
      await until(() => viewer.sockets.length > 1 && viewer.synced(), 10_000, 'the reader to be back', () => viewer.describe())
      editor.insert('t', 7, '?')
      await until(() => viewer.text('t') === 'mine theirs!?', 2_000, 'the reader to be kept up to date again')
      assert.equal(editor.text('t'), 'theirs!?')
    })
  })
}

describe('hocuspocus-4 sessions', () => {
  test('two providers of one document on one socket, told apart by their session', async () => {
    const room = freshRoom('session')
    const over = sharedSocket('hocuspocus-4')
    const session = { opts: { sessionAwareness: true }, over }
    const a = await open('hocuspocus-4', server, room, { ...session, state: { name: 'a' } })
    const b = await open('hocuspocus-4', server, room, { ...session, state: { name: 'b' } })
    const plain = await open('hocuspocus-3', server, room, { state: { name: 'plain' } })
    assert.equal(over.sockets.length, 1)
    a.insert('t', 0, 'from a')
    await until(() => b.text('t') === 'from a' && plain.text('t') === 'from a', 2_000, 'a to be heard')
    await until(() => a.peers().size === 2 && b.peers().size === 2 && plain.peers().size === 2, 2_000, 'everybody to be seen',
      () => [a, b, plain].map((c) => [...c.peers().values()]))
    await a.whenSaved()
    a.destroy()
    await until(() => plain.peers().size === 1 && b.peers().size === 1, 1_000, 'a to be gone, b to stay', () => [...plain.peers().values()])
    b.insert('t', 0, 'b lives: ')
    await until(() => plain.text('t') === 'b lives: from a', 2_000, 'b to be heard')
    await b.whenSaved()
  })

  test('merged edits (flushDelay) are acknowledged once each', async () => {
    const a = await open('hocuspocus-4', server, freshRoom('flush'), { opts: { flushDelay: 20 } })
    await a.whenSaved()
    for (let i = 0; i < 50; i++) a.insert('t', 0, 'x')
    assert.equal(a.provider.unsyncedChanges, 1)
    await a.whenSaved()
  })

  test('forceSync is acknowledged', async () => {
    const a = await open('hocuspocus-4', server, freshRoom('force'))
    await a.whenSaved()
    a.provider.forceSync()
    assert.equal(a.provider.hasUnsyncedChanges, true)
    await a.whenSaved()
  })

  test('a token can be renewed on an open document', async () => {
    const room = freshRoom('renew')
    let token = mint({}, SECRET)
    const a = await open('hocuspocus-4', guarded, room, { opts: { token: () => token } })
    token = mint({ sub: 'renewed' }, SECRET)
    await a.provider.sendToken()
    a.insert('t', 0, 'goes on')
    await a.whenSaved()
    assert.equal(a.sockets.length, 1)
    assert.deepEqual(a.denials, [])
  })
})

describe('frames that no provider sends', () => {
  /** @param {string} address @param {Server} at @param {string} token */
  const authenticated = async (address, at = server, token = '') => {
    const socket = await RawSocket.open(`${at.ws}/hocuspocus`)
    socket.send(hocus(address, AUTH, 0, token))
    await socket.next((f) => readHocus(f).type === AUTH && readHocus(f).sub === 2, 2_000, 'Authenticated')
    return socket
  }

  test('the server answers under exactly the address that was used', async () => {
    const room = freshRoom('address')
    const address = `${room}\0session-1`
    const socket = await authenticated(address)
    socket.send(hocus(address, 0, 0, Uint8Array.of(0)))
    await socket.next((f) => readHocus(f).type === 0 && readHocus(f).sub === 1, 2_000, 'a Step2')
    const messages = socket.frames.map(readHocus)
    assert.ok(messages.every((m) => m.address === address), JSON.stringify(messages.map((m) => m.address)))
    // The server's own Step1 comes before its Step2: the client would otherwise be "synced" before it was asked for its part.
    const order = messages.filter((m) => m.type === 0).map((m) => m.sub)
    assert.ok(order.indexOf(0) !== -1 && order.indexOf(0) < order.indexOf(1), `order of sync messages: ${order}`)
    assert.ok(!messages.some((m) => m.type === 4 || m.type === 9), 'no SyncReply, no Ping')
    socket.close()
  })

  test('a Step2 and each Update are acknowledged once', async () => {
    const room = freshRoom('acks')
    const socket = await authenticated(room)
    const acks = () => socket.frames.map(readHocus).filter((m) => m.type === SYNC_STATUS).map((m) => m.sub)
    socket.send(hocus(room, 0, 1, EMPTY_UPDATE))
    await until(() => acks().length === 1, 2_000, 'the Step2 to be acknowledged', acks)
    const update = updateWith('once')
    for (const u of [updateWith('a'), updateWith('b'), update, update]) socket.send(hocus(room, 0, 2, u))
    await until(() => acks().length === 5, 2_000, 'each Update to be acknowledged, a repeated one too', acks)
    assert.deepEqual(acks(), [1, 1, 1, 1, 1])
    socket.close()
  })

  test('a reader: Step2 with nothing new is 1, with something new 0, an Update 0', async () => {
    const room = freshRoom('reader-acks')
    const editor = await open('hocuspocus-4', guarded, room, { token: mint({}, SECRET) })
    editor.insert('t', 0, 'known')
    await editor.whenSaved()
    const known = editor.Y.encodeStateAsUpdate(editor.doc)
    const socket = await authenticated(room, guarded, mint({ role: 'viewer' }, SECRET))
    const acks = () => socket.frames.map(readHocus).filter((m) => m.type === SYNC_STATUS).map((m) => m.sub)
    const cases = /** @type {[number, Uint8Array, number][]} */ ([
      [1, EMPTY_UPDATE, 1], [1, known, 1], [1, updateWith('new'), 0], [2, updateWith('new too'), 0]
    ])
    for (const [i, [sub, update, expected]] of cases.entries()) {
      socket.send(hocus(room, 0, sub, update))
      await until(() => acks().length === i + 1, 2_000, `answer ${i}`, acks)
      assert.equal(acks()[i], expected, `answer ${i} to sync type ${sub}`)
    }
    assert.equal(editor.text('text'), '')
    socket.close()
  })

  test('BroadcastStateless from a client is refused, and reaches nobody', async () => {
    // hocuspocus#1103: a message between servers, accepted from a client.
    const room = freshRoom('broadcast')
    const witness = /** @type {any} */ (await open('hocuspocus-4', server, room))
    const socket = await authenticated(room)
    socket.send(hocus(room, BROADCAST_STATELESS, 'from the outside'))
    const { code } = await socket.closed(2_000)
    assert.notEqual(code, 1006)
    const other = await authenticated(room)
    other.send(hocus(room, STATELESS, 'from a client'))
    await until(() => witness.statelessReceived.length > 0, 2_000, 'the honest message')
    assert.deepEqual(witness.statelessReceived, ['from a client'])
    other.close()
  })

  test('unknown types, cut frames and rubbish close only their own socket', async () => {
    const room = freshRoom('rubbish')
    const witness = await open('hocuspocus-4', server, room)
    const frames = [hocus(room, 77), hocus(room, 0, 9, EMPTY_UPDATE), hocus(room, 0), hocus(room, 0, 2).slice(0, -1), new Uint8Array(0),
      Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255), hocus(room, 0, 2, Uint8Array.of(1, 2, 3))]
    for (const frame of frames) {
      const socket = await authenticated(room)
      socket.send(frame)
      const { code } = await socket.closed(3_000)
      assert.ok(code >= 1002 && code !== 1005 && code !== 1006, `code ${code} for ${Buffer.from(frame).toString('hex')}`)
    }
    witness.insert('t', 0, 'alive')
    await witness.whenSaved()
  })

  test('after the Close of one document nothing more arrives for it', async () => {
    const [gone, kept] = [freshRoom('gone'), freshRoom('kept')]
    const socket = await authenticated(gone)
    socket.send(hocus(kept, AUTH, 0, ''))
    await socket.next((f) => readHocus(f).address === kept && readHocus(f).sub === 2, 2_000, 'the second document')
    socket.send(hocus(gone, CLOSE))
    const writer = await open('hocuspocus-4', server, gone)
    const neighbour = await open('hocuspocus-4', server, kept)
    const from = socket.frames.length
    writer.insert('t', 0, 'unseen')
    await writer.whenSaved()
    neighbour.insert('t', 0, 'seen')
    await socket.next((f) => readHocus(f).address === kept && readHocus(f).type === 0 && readHocus(f).sub === 2, 2_000, 'the neighbour', from)
    const late = socket.frames.slice(from).map(readHocus).filter((m) => m.address === gone && m.type === 0)
    assert.deepEqual(late, [])
    socket.close()
  })

  test('nothing is told before authentication', async () => {
    const room = freshRoom('early')
    const socket = await RawSocket.open(`${guarded.ws}/hocuspocus`)
    socket.send(hocus(room, 0, 0, Uint8Array.of(0)))
    socket.send(hocus(room, AUTH, 0, 'rubbish'))
    await socket.next((f) => readHocus(f).type === AUTH && readHocus(f).sub === 1, 2_000, 'PermissionDenied')
    assert.ok(!socket.frames.map(readHocus).some((m) => m.type === 0 || m.type === 1))
    assert.ok(socket.isOpen, 'the socket stays, for another try')
    // What was queued behind the bad token is forgotten, not played back under the good one.
    const from = socket.frames.length
    socket.send(hocus(room, AUTH, 0, mint({}, SECRET)))
    await socket.next((f) => readHocus(f).type === AUTH && readHocus(f).sub === 2, 2_000, 'Authenticated', from)
    socket.close()
  })
})
