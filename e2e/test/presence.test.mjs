// Presence between strangers: nobody speaks for another, nothing is amplified, nobody stays as a ghost or comes back invisible.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { DIALECT_KINDS, KINDS, destroyAll, freshRoom, open } from '../lib/clients.mjs'
import { RawSocket, encode, hocus, awarenessUpdate, readAwareness, readHocus, readY, yAwareness, yQueryAwareness, yStep1 } from '../lib/raw.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { settled, until } from '../lib/wait.mjs'
import * as encoding from 'lib0/encoding'

/** @type {Server} */
let server

before(async () => { server = await Server.start() })
afterEach(reportFailure(() => server))
afterEach(destroyAll)
after(() => server?.stop())

/** All presence entries that a raw y-websocket observer was sent. @param {RawSocket} socket @param {number} [from] */
const entriesOf = (socket, from = 0) => socket.frames.slice(from).flatMap(readY)
  .filter((m) => m.type === 1).flatMap((m) => readAwareness(/** @type {Uint8Array} */ (m.payload)))

/** @param {string} room */
const observe = async (room) => {
  const socket = await RawSocket.open(`${server.ws}/yjs/${room}`)
  socket.send(yStep1())
  await socket.next((f) => readY(f)[0].type === 0 && readY(f)[0].sub === 1, 2_000, 'a Step2')
  return socket
}

describe('nobody speaks for another', () => {
  for (const victim_id of DIALECT_KINDS) {
    test(`a claim to the id of ${victim_id} is ignored, a removal too`, async () => {
      // outline/outline#13804, nextcloud/text#7471: the claimed id is not the sender.
      const room = freshRoom('spoof')
      const victim = await open(victim_id, server, room, { state: { name: 'victim' } })
      const witness = await open('hocuspocus-4', server, room, { state: { name: 'witness' } })
      await until(() => witness.peers().has(victim.clientID), 2_000, 'the witness to see the victim')
      const attackers = await Promise.all([observe(room), RawSocket.open(`${server.ws}/d/${room}/ws/${room}`)])
      const hocuspocus = await RawSocket.open(`${server.ws}/hocuspocus`)
      hocuspocus.send(hocus(room, 2, 0, ''))
      await hocuspocus.next((f) => readHocus(f).type === 2 && readHocus(f).sub === 2, 2_000, 'Authenticated')
      for (const clock of [1, 50, 1_000_000]) {
        for (const state of [{ name: 'not me' }, null]) {
          const entries = [{ client: victim.clientID, clock, state }]
          for (const attacker of attackers) attacker.send(yAwareness(entries))
          hocuspocus.send(hocus(room, 1, awarenessUpdate(entries)))
        }
      }
      // Each attacker's own presence comes after its lies on the same socket: when it is seen, they have been handled.
      for (const [i, attacker] of attackers.entries()) attacker.send(yAwareness([{ client: 901 + i, clock: 1, state: { name: 'honest' } }]))
      hocuspocus.send(hocus(room, 1, awarenessUpdate([{ client: 903, clock: 1, state: { name: 'honest' } }])))
      await until(() => [901, 902, 903].every((id) => witness.peers().has(id)), 2_000, 'the attackers to be seen as themselves', () => [...witness.peers()])
      assert.equal(witness.peers().get(victim.clientID)?.name, 'victim')
      assert.deepEqual(victim.presence(), { name: 'victim' })
      // And the victim can still move: no clock was stolen.
      victim.setPresence({ name: 'victim', cursor: 1 })
      await until(() => witness.peers().get(victim.clientID)?.cursor === 1, 1_000, 'the victim to move', () => [...witness.peers()])
      // The end of the attackers takes nobody else along.
      for (const attacker of [...attackers, hocuspocus]) attacker.drop()
      await until(() => witness.peers().size === 1, 2_000, 'only the attackers to be gone', () => [...witness.peers()])
      assert.equal(witness.peers().get(victim.clientID)?.cursor, 1)
    })
  }

  test('who is probed and answers stays, however quiet it is otherwise', async () => {
    const room = freshRoom('probe')
    const owner = await observe(room)
    let pings = 0
    owner.ws.on('ping', () => { pings++ })
    owner.send(yAwareness([{ client: 77, clock: 1, state: { name: 'owner' } }]))
    const attacker = await observe(room)
    let clock = 1
    // There is no second probe before the first one has ended, and here it ends well a second after the answer.
    const claims = () => {
      attacker.send(yAwareness([{ client: 77, clock: ++clock, state: { name: 'not me' } }]))
      return pings > 2 || owner.close_event
    }
    await until(claims, 8_000, 'three probes of the owner', () => pings)
    assert.equal(owner.close_event, null, `the owner was dropped after ${pings} probes that it answered`)
    assert.equal(owner.isOpen, true)
  })

  test('entries that are no presence are dropped, the others in their frame live', async () => {
    const room = freshRoom('invalid')
    const witness = await open('y-websocket-3', server, room, { state: { name: 'witness' } })
    const attacker = await observe(room)
    /** @param {[number, number, string][]} entries */
    const frame = (entries) => encode((e) => {
      encoding.writeVarUint(e, 1)
      encoding.writeVarUint8Array(e, encode((inner) => {
        encoding.writeVarUint(inner, entries.length)
        for (const [client, clock, text] of entries) {
          encoding.writeVarUint(inner, client)
          encoding.writeVarUint(inner, clock)
          encoding.writeVarString(inner, text)
        }
      }))
    })
    const rubbish = ['{', 'not json', '', '['.repeat(100) + ']'.repeat(100), `"${'x'.repeat(20_000)}"`]
    for (const [i, text] of rubbish.entries()) {
      if (!attacker.isOpen) break
      attacker.send(frame([[800 + i, 1, text], [700, i + 1, JSON.stringify({ name: 'good', i })]]))
    }
    attacker.send(frame([[650, 2 ** 31, '{"name":"clock"}'], [700, 100, '{"name":"good","i":"last"}']]))
    await until(() => witness.peers().get(700)?.i === 'last' || attacker.close_event !== null, 2_000, 'the good entries', () => [...witness.peers()])
    assert.ok(attacker.isOpen, `the socket was closed: ${JSON.stringify(attacker.close_event)}`)
    assert.deepEqual([...witness.peers().keys()], [700], 'only the good one is seen')
    assert.equal(witness.sockets.length, 1, 'nothing reached the client that it could not read')
    attacker.close()
  })

  test('one connection does not fill the room', async () => {
    const room = freshRoom('many')
    const witness = await open('y-websocket-3', server, room, { state: { name: 'witness' } })
    const attacker = await observe(room)
    attacker.send(yAwareness(Array.from({ length: 1_000 }, (_, i) => ({ client: 10_000 + i, clock: 1, state: { n: i } }))))
    attacker.send(yAwareness([{ client: 10_000, clock: 2, state: { n: 'last' } }]))
    await until(() => witness.peers().get(10_000)?.n === 'last' || attacker.close_event !== null, 2_000, 'the flood to be handled', () => witness.peers().size)
    assert.ok(witness.peers().size <= 8, `${witness.peers().size} states of one connection`)
    attacker.drop()
  })
})

describe('nothing is amplified', () => {
  test('one cursor move among 20 y-websocket clients reaches an observer once', async () => {
    // yjs#732: each of the 20 sends the move back to the server. Relayed without a look at the clock, that is 400 frames.
    const room = freshRoom('echo')
    const ids = KINDS.filter((k) => k.dialect === 'y-websocket').map((k) => k.id)
    const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => open(ids[i % ids.length], server, room, { state: { name: `c${i}` } })))
    await until(() => clients.every((c) => c.peers().size === 19), 10_000, 'all to see all', () => clients.map((c) => c.peers().size))
    const observer = await observe(room)
    await settled(() => observer.frames.length + clients.reduce((sum, c) => sum + (c.socket?.framesOut ?? 0), 0), 400, 10_000, 'silence after the joins')

    const from = observer.frames.length
    const framesIn = clients.map((c) => c.socket?.framesIn ?? 0)
    const mover = clients[7]
    mover.setPresence({ name: 'c7', cursor: 1 })
    await until(() => clients.every((c) => c === mover || c.peers().get(mover.clientID)?.cursor === 1), 2_000, 'all to see the move')
    await settled(() => observer.frames.length + clients.reduce((sum, c) => sum + (c.socket?.framesOut ?? 0), 0), 400, 5_000, 'silence after the move')

    const entries = entriesOf(observer, from)
    const moves = entries.filter((e) => e.client === mover.clientID)
    assert.equal(moves.length, 1, `the observer was told ${moves.length} times`)
    // A renewal (every 15 s) of somebody may fall into the window; twenty echoes may not.
    assert.ok(entries.length <= 4, `${entries.length} entries for one move`)
    for (const [i, client] of clients.entries()) {
      const received = (client.socket?.framesIn ?? 0) - framesIn[i]
      assert.ok(received <= 4, `client ${i} received ${received} frames for one move`)
    }
    observer.close()
  })

  test('an echo of what is known is told to nobody', async () => {
    const room = freshRoom('known')
    const client = await open('hocuspocus-4', server, room, { state: { name: 'ann' } })
    const observer = await observe(room)
    await until(() => entriesOf(observer).length > 0, 2_000, 'the observer to be told')
    const known = entriesOf(observer).filter((e) => e.client === client.clientID)
    const echoer = await observe(room)
    const from = observer.frames.length
    for (let i = 0; i < 50; i++) echoer.send(yAwareness(known))
    echoer.send(yAwareness([{ client: 333, clock: 1, state: { name: 'after' } }]))
    await until(() => entriesOf(observer, from).some((e) => e.client === 333), 2_000, 'what comes after the echoes')
    assert.deepEqual(entriesOf(observer, from).filter((e) => e.client === client.clientID), [])
    // To have echoed is not to own: when the echoer goes, ann stays.
    echoer.drop()
    await until(() => entriesOf(observer, from).some((e) => e.client === 333 && e.state === null), 2_000, 'the echoer to be gone')
    assert.deepEqual(entriesOf(observer, from).filter((e) => e.client === client.clientID), [])
    observer.close()
  })
})

describe('comings and goings', () => {
  test('a query is answered with everybody', async () => {
    const room = freshRoom('query')
    const clients = await Promise.all(DIALECT_KINDS.map((id) => open(id, server, room, { state: { name: id } })))
    const observer = await observe(room)
    await until(() => clients.every((c) => entriesOf(observer).some((e) => e.client === c.clientID)), 2_000, 'the first list')
    const from = observer.frames.length
    observer.send(yQueryAwareness())
    await until(() => clients.every((c) => entriesOf(observer, from).some((e) => e.client === c.clientID && e.state !== null)), 2_000, 'the answer',
      () => entriesOf(observer, from))
    observer.close()
  })

  for (const leaver_id of DIALECT_KINDS) {
    test(`${leaver_id} leaves: all dialects know within a second, whether it says good-bye or is cut off`, async () => {
      const room = freshRoom('leave')
      const witnesses = await Promise.all(KINDS.map(({ id }) => open(id, server, room, { state: { name: id } })))
      for (const way of /** @type {const} */ (['destroy', 'cut', 'null'])) {
        const leaver = await open(leaver_id, server, room, { state: { name: 'leaver' } })
        const { clientID } = leaver
        await until(() => witnesses.every((w) => w.peers().get(clientID)?.name === 'leaver'), 2_000, 'all to see it')
        if (way === 'null') leaver.setPresence(null)
        // A cut socket with a client that does not come back.
        if (way === 'cut') leaver.gate.open = false
        if (way === 'cut') leaver.dropSocket()
        if (way === 'destroy') leaver.destroy()
        await until(() => witnesses.every((w) => !w.peers().has(clientID)), way === 'cut' ? 5_000 : 1_000, `all to see it gone (${way})`,
          () => witnesses.map((w) => [w.id, w.peers().get(clientID)]))
        leaver.destroy()
      }
    })
  }

  for (const direction of /** @type {const} */ (['is seen', 'sees the others'])) {
    test(`who returns after a drop ${direction} within two seconds`, async () => {
      // y-websocket#122: a state with a known clock is ignored by those who saw its removal, until it is renewed after up to 15 s.
      // And the other way round: the client that lost its socket has itself removed all the others, so it ignores them as long as
      // their clocks stand still.
      const room = freshRoom('return')
      const witnesses = await Promise.all(KINDS.map(({ id }) => open(id, server, room, { state: { name: id } })))
      /** @type {string[]} */
      const missed = []
      for (const { id } of KINDS) {
        const returner = await open(id, server, room, { state: { name: 'returner' } })
        const seen = () => witnesses.filter((w) => w.peers().get(returner.clientID)?.name === 'returner').length
        const sees = () => [...returner.peers().values()].length
        await until(() => seen() === KINDS.length && sees() === KINDS.length, 2_000, `${id} to see and be seen`)
        const sockets_before = returner.sockets.length
        returner.dropSocket()
        await until(() => returner.sockets.length > sockets_before && returner.socket?.opened, 10_000, `${id} to connect again`, () => returner.describe())
        const count = direction === 'is seen' ? seen : sees
        await until(() => count() === KINDS.length, 2_000, 'it').catch(() => missed.push(`${id}: ${count()} of ${KINDS.length}`))
        returner.destroy()
        await until(() => witnesses.every((w) => w.peers().size === KINDS.length - 1), 2_000, `${id} to be gone`)
      }
      assert.deepEqual(missed, [])
    })
  }

  test('a joiner is told of the living only', async () => {
    const room = freshRoom('ghost')
    const stays = await open('y-websocket-3', server, room, { state: { name: 'stays' } })
    for (const id of DIALECT_KINDS) {
      const goes = await open(id, server, room, { state: { name: 'goes' } })
      await until(() => stays.peers().has(goes.clientID), 2_000, 'it to be seen')
      goes.destroy()
      await until(() => stays.peers().size === 0, 1_000, 'it to be gone')
    }
    const joiner = await open('hocuspocus-4', server, room)
    await until(() => joiner.peers().size === 1, 1_000, 'the one who stays', () => [...joiner.peers()])
    assert.deepEqual([...joiner.peers().values()], [{ name: 'stays' }])
  })
})
