// `@roomtone/core` against the server: roles and tokens in a live session, epochs, typed events, and other dialects in the same room.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { DIALECT_KINDS, destroyAll, freshRoom, open } from '../lib/clients.mjs'
import { deleteDocument } from '../lib/delete-document.mjs'
import { mint, nowSeconds } from '../lib/jwt.mjs'
import { described, destroySdk, saved, sdk, sdkClient, synced } from '../lib/sdk.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const SECRET = 'sdk-secret-that-is-long-enough-for-hs256'
/** Generous: nothing here is about time. */
const PATIENCE_MS = 20_000
/** A token that the server wants renewed as soon as it sees it, since it ends in less than 30 s, and that holds for long enough. */
const SHORT_S = 25
/** It has ended, and is good for 8 s more: clocks may differ by 30. */
const DYING_S = -22

/** @param {Record<string, unknown>} claims @param {number} [left_s] */
const token = (claims, left_s = 3_600) => mint({ sub: 'ann', name: 'Ann', exp: nowSeconds() + left_s, ...claims }, SECRET)

/** @type {Server} */
let openToAll
/** @type {Server} */
let guarded

before(async () => { [openToAll, guarded] = await Promise.all([Server.start(), Server.start({ jwtSecret: SECRET })]) })
afterEach(reportFailure(() => openToAll))
afterEach(reportFailure(() => guarded))
afterEach(destroyAll)
afterEach(destroySdk)
after(async () => {
  for (const server of [openToAll, guarded]) await server?.stop()
})

/** @param {any} room @param {string} [name] */
const text = (room, name = 't') => room.doc.getText(name).toString()

/** @param {() => unknown} condition @param {string} what @param {any} room */
const comes = (condition, what, room) => until(condition, PATIENCE_MS, what, () => described(room))

/** Everything that a room emits under these names, in order. @param {any} room @param {...string} names */
const heard = (room, ...names) => {
  /** @type {any[]} */
  const all = []
  for (const name of names) room.on(name, (/** @type {any} */ event) => all.push([name, event]))
  return all
}

/** A back end whose tokens are given out one by one, when the test says so. */
class Issuer {
  asked = 0
  /** @type {{ resolve: (token: string) => void, reject: (error: Error) => void }[]} */
  #waiting = []
  token = () => new Promise((resolve, reject) => {
    this.asked += 1
    this.#waiting.push({ resolve, reject })
  })

  /** @param {string} what */
  async #next (what) {
    await until(() => this.#waiting.length > 0, PATIENCE_MS, `${what} to be asked for`, () => this.asked)
    return /** @type {any} */ (this.#waiting.shift())
  }

  /** @param {string} given */
  async give (given) { (await this.#next('a token')).resolve(given) }

  async fail () { (await this.#next('a token that cannot be had')).reject(new Error('the back end is away')) }
}

/** A fresh client with a token that may read: what the server has. @param {Server} server @param {string} name */
const readBack = async (server, name) => {
  const client = sdkClient(server, server === guarded ? { token: token({ sub: 'reader', role: 'viewer' }) } : {})
  const room = await synced(client.open(name))
  const content = text(room)
  client.destroy()
  return content
}

describe('roles and tokens', () => {
  test('na8: a viewer becomes an editor with a new token, on the same socket, and what was refused is saved', async () => {
    const name = freshRoom('viewer')
    const issuer = new Issuer()
    let sockets = 0
    const client = sdkClient(guarded, { token: issuer.token, onSocket: () => { sockets += 1 } })
    const room = client.open(name)
    const events = heard(room, 'role', 'denied')
    await issuer.give(token({ role: 'viewer' }, SHORT_S))
    await synced(room)
    assert.deepEqual([room.role, room.user], ['viewer', 'ann'])

    room.doc.getText('t').insert(0, 'mine')
    await comes(() => events.some(([event]) => event === 'denied'), 'the change to be refused', room)
    assert.equal(room.saved.unsaved, 1, 'what is refused stays unsaved')
    assert.equal(await readBack(guarded, name), '', 'na7: what a viewer wrote is not part of the document')
    room.doc.getText('t').insert(4, ' too')

    await issuer.give(token({ role: 'editor' }))
    await comes(() => room.role === 'editor', 'the new role', room)
    await saved(room)
    assert.equal(await readBack(guarded, name), 'mine too')
    assert.deepEqual(events.map(([event, { role }]) => role ?? event), ['viewer', 'denied', 'editor'])
    assert.equal(sockets, 1)
    assert.equal(issuer.asked, 2)
    assert.deepEqual(client.errors, [])
  })

  test('na8: an editor becomes a viewer: told, refused once, and nothing is called saved until the role is back', async () => {
    const name = freshRoom('lowered')
    const issuer = new Issuer()
    const client = sdkClient(guarded, { token: issuer.token })
    const room = client.open(name)
    const events = heard(room, 'denied')
    await issuer.give(token({ role: 'editor' }, SHORT_S))
    await synced(room)
    room.doc.getText('t').insert(0, 'a')
    await saved(room)

    await issuer.give(token({ role: 'viewer' }, SHORT_S))
    await comes(() => room.role === 'viewer', 'the lower role', room)
    for (const letter of 'bcd') room.doc.getText('t').insert(room.doc.getText('t').length, letter)
    await comes(() => events.length > 0, 'the change to be refused', room)
    assert.equal(room.saved.unsaved, 3)
    assert.equal(await readBack(guarded, name), 'a')

    await issuer.give(token({ role: 'owner' }))
    await comes(() => room.role === 'owner', 'the role to be back', room)
    await saved(room)
    assert.equal(await readBack(guarded, name), 'abcd')
    assert.equal(events.length, 1, 'refused once')
    assert.deepEqual(client.errors, [])
  })

  test('na8: a token ends with no new one to be had: 4401, and back with the next one, on the same socket', async () => {
    const name = freshRoom('ends')
    const issuer = new Issuer()
    let sockets = 0
    const client = sdkClient(guarded, { token: issuer.token, onSocket: () => { sockets += 1 } })
    const room = client.open(name)
    const statuses = heard(room, 'status', 'refused')
    await issuer.give(token({ role: 'editor' }, DYING_S))
    await synced(room)
    await issuer.fail()
    await comes(() => room.status !== 'connected', 'the token to end', room)
    room.doc.getText('t').insert(0, 'meanwhile')
    assert.equal(room.saved.state, 'offline')

    await issuer.give(token({ role: 'editor' }))
    await synced(room)
    await saved(room)
    assert.equal(await readBack(guarded, name), 'meanwhile')
    assert.deepEqual(statuses.filter(([event]) => event === 'refused'), [], 'one that can be renewed is no refusal')
    assert.equal(sockets, 1)
    assert.deepEqual(client.errors.map(String), ['Error: the back end is away'])
  })

  test('na6: a room with a token of its own ends and comes back alone', async () => {
    const names = [freshRoom('own'), freshRoom('other')]
    const issuer = new Issuer()
    const client = sdkClient(guarded, { token: token({ role: 'editor' }) })
    const own = client.open(names[0], { token: issuer.token })
    const other = client.open(names[1])
    const others = heard(other, 'status')
    await issuer.give(token({ sub: 'bob', role: 'editor', room: names[0] }, DYING_S))
    await Promise.all([synced(own), synced(other)])
    assert.deepEqual([own.user, other.user], ['bob', 'ann'])
    const before = others.length
    await comes(() => own.status !== 'connected', 'its token to end', own)
    own.doc.getText('t').insert(0, 'later')
    await issuer.give(token({ sub: 'bob', role: 'editor', room: names[0] }))
    await saved(own)
    assert.equal(others.length, before, 'the other room heard nothing of it')
    assert.equal(await readBack(guarded, names[0]), 'later')
  })

  test('a token that is text ends when it ends: refused with 4401, and the work is kept', async () => {
    const name = freshRoom('text')
    const client = sdkClient(guarded, { token: token({ role: 'editor' }, DYING_S) })
    const room = await synced(client.open(name))
    await comes(() => room.status === 'refused', 'the end of the token', room)
    assert.equal(room.refusal.code, 4401)
    room.doc.getText('t').insert(0, 'kept')
    assert.deepEqual([room.saved.state, room.saved.unsaved, text(room)], ['offline', 1, 'kept'])
  })

  test('na8: a new token that does not reach one of two rooms ends that one with 4403', async () => {
    const names = [freshRoom('stays'), freshRoom('goes')]
    const issuer = new Issuer()
    const client = sdkClient(guarded, { token: issuer.token })
    const [stays, goes] = names.map((name) => client.open(name))
    await issuer.give(token({ role: 'editor' }, SHORT_S))
    await Promise.all([synced(stays), synced(goes)])
    await issuer.give(token({ role: 'editor', room: names[0] }))
    await comes(() => goes.status === 'refused', 'the room without a right to end', goes)
    assert.equal(goes.refusal.code, 4403)
    stays.doc.getText('t').insert(0, 'still here')
    await saved(stays)
    assert.equal(await readBack(guarded, names[0]), 'still here')
  })
})

describe('epochs', () => {
  test('na5: a copy of another document is neither merged nor overwritten', async () => {
    const name = freshRoom('foreign')
    const author = sdkClient(openToAll).open(name)
    await synced(author)
    author.doc.getText('t').insert(0, 'what is there')
    await saved(author)

    // The same words, as a copy from before a restore has them: merged, they would stand there twice.
    const doc = new Y.Doc()
    doc.getText('t').insert(0, 'what is there')
    const client = sdkClient(openToAll)
    const room = client.open(name, { doc, epoch: author.epoch + 6 })
    const replaced = heard(room, 'replaced')
    await comes(() => replaced.length > 0, 'to be told', room)
    const [[, { stale, epoch }]] = replaced
    assert.equal(stale, doc)
    assert.equal(epoch, author.epoch)
    assert.equal(room.status, 'refused')
    assert.equal(room.refusal.code, 4409)
    assert.equal(text(room), 'what is there')
    assert.equal(room.saved.unsaved, 1, 'nobody saved it')
    assert.equal(text(author), 'what is there')

    const anew = await synced(client.open(name))
    assert.equal(text(anew), 'what is there')
    assert.equal(anew.epoch, epoch)
    assert.equal(await readBack(openToAll, name), 'what is there')
  })

  test('na5: a document that is deleted and written anew while people were away', { timeout: 60_000 }, async () => {
    const server = await Server.start()
    try {
      const name = freshRoom('deleted')
      const [ann, bob] = [sdkClient(server), sdkClient(server)]
      const before = ann.open(name)
      await synced(before)
      before.doc.getText('t').insert(0, 'the old text')
      await saved(before)
      const gone = await synced(bob.open(name))
      assert.equal(gone.epoch, 1)
      const replaced = heard(gone, 'replaced')
      ann.destroy()
      bob.disconnect()
      gone.doc.getText('t').insert(0, 'offline, and ')

      await server.kill()
      deleteDocument(server, name)
      await server.revive()
      const author = await synced(sdkClient(server).open(name))
      assert.equal(author.epoch, 2)
      author.doc.getText('t').insert(0, 'the old text')
      await saved(author)

      bob.connect()
      await comes(() => replaced.length > 0, 'bob to be told', gone)
      assert.equal(replaced[0][1].epoch, 2)
      assert.equal(replaced[0][1].stale, gone.doc)
      assert.equal(text(gone), 'offline, and the old text', 'his copy is as he left it')
      assert.equal(gone.saved.unsaved, 1)
      const anew = await synced(bob.open(name))
      assert.equal(text(anew), 'the old text')
      assert.equal(text(author), 'the old text')
      assert.equal(await readBack(server, name), 'the old text')
      destroySdk()
    } finally {
      await server.stop()
    }
  })
})

describe('others in the room', () => {
  test('na9: an event reaches the others once, with who said it, and never its author', async () => {
    const name = freshRoom('events')
    const [ann, bob, eve] = ['ann', 'bob', 'eve'].map((sub) => sdkClient(guarded, { token: token({ sub, role: 'viewer' }) }).open(name))
    const [byAnn, byBob, byEve] = [ann, bob, eve].map((room) => heard(room, 'event'))
    // Somebody in another room.
    const aside = sdkClient(guarded, { token: token({ role: 'editor' }) }).open(freshRoom('events'))
    const byAside = heard(aside, 'event')
    await Promise.all([ann, bob, eve, aside].map((room) => synced(room)))
    assert.equal(ann.send('wave', { from: 'the left', n: [1, null, 'ü'] }), true)
    assert.equal(ann.send('bell'), true)
    assert.equal(bob.send('bye', 7), true)
    const all = [byAnn, byBob, byEve]
    await until(() => byAnn.length >= 1 && byBob.length >= 2 && byEve.length >= 3, PATIENCE_MS, 'every event', () => all)
    // What comes twice comes before the answer to a question that was asked later.
    eve.send('end')
    await until(() => byAnn.length >= 2 && byBob.length >= 3, PATIENCE_MS, 'the last event', () => all)
    const wave = { user: 'ann', name: 'wave', payload: { from: 'the left', n: [1, null, 'ü'] } }
    const bell = { user: 'ann', name: 'bell', payload: null }
    const bye = { user: 'bob', name: 'bye', payload: 7 }
    const end = { user: 'eve', name: 'end', payload: null }
    const events = (/** @type {any[]} */ list) => list.map(([, event]) => event)
    assert.deepEqual(events(byAnn), [bye, end])
    assert.deepEqual(events(byBob), [wave, bell, end])
    assert.deepEqual(events(byEve).filter(({ user }) => user === 'ann'), [wave, bell])
    assert.equal(byEve.length, 3)
    assert.deepEqual(byAside, [])
  })

  for (const id of DIALECT_KINDS) {
    test(`an SDK client and ${id} share text, presence and the saved state`, async () => {
      const name = freshRoom('dialects')
      const client = sdkClient(openToAll)
      const mine = client.open(name)
      mine.awareness.setLocalState({ name: 'sdk' })
      const [theirs] = await Promise.all([open(id, openToAll, name, { state: { name: id } }), synced(mine)])
      mine.doc.getText('t').insert(0, 'one ')
      await until(() => theirs.text('t') === 'one ', PATIENCE_MS, 'the text of the SDK')
      theirs.insert('t', 4, 'two ')
      theirs.set('m', 'k', { deep: [1, 2] })
      await comes(() => text(mine) === 'one two ' && mine.doc.getMap('m').has('k'), 'what the other wrote', mine)
      assert.deepEqual(mine.doc.getMap('m').toJSON(), { k: { deep: [1, 2] } })
      await Promise.all([saved(mine), theirs.whenSaved(PATIENCE_MS)])

      const state = () => mine.awareness.getStates().get(theirs.clientID)
      await comes(() => state()?.name === id, 'the presence of the other', mine)
      await until(() => theirs.peers().get(mine.doc.clientID)?.name === 'sdk', PATIENCE_MS, 'the presence of the SDK', () => [...theirs.peers()])
      mine.awareness.setLocalState({ name: 'sdk', cursor: 3 })
      theirs.setPresence({ name: id, cursor: 4 })
      await comes(() => state()?.cursor === 4, 'the cursor of the other', mine)
      await until(() => theirs.peers().get(mine.doc.clientID)?.cursor === 3, PATIENCE_MS, 'the cursor of the SDK', () => [...theirs.peers()])

      const { clientID } = mine.doc
      client.destroy()
      await until(() => !theirs.peers().has(clientID), PATIENCE_MS, 'the SDK client to be gone', () => [...theirs.peers()])
      assert.deepEqual(client.errors, [])
    })
  }

  test('what the SDK writes, every dialect reads, byte for byte', async () => {
    const name = freshRoom('whole')
    const client = sdkClient(openToAll)
    const room = await synced(client.open(name))
    assert.ok(room instanceof sdk.Room)
    const { doc } = room
    doc.transact(() => {
      doc.getText('t').insert(0, 'bold', { bold: true })
      doc.getMap('m').set('bytes', new Uint8Array([1, 2, 3]))
      doc.getArray('l').push([1, 'two', null, { three: 3 }])
      const paragraph = new Y.XmlElement('p')
      doc.getXmlFragment('x').insert(0, [paragraph])
      paragraph.insert(0, [new Y.XmlText('words')])
    })
    doc.getText('t').insert(4, ' and more')
    doc.getText('t').delete(0, 2)
    await saved(room)
    for (const id of DIALECT_KINDS) {
      const reader = await open(id, openToAll, name)
      assert.deepEqual(Y.encodeStateAsUpdate(reader.doc), Y.encodeStateAsUpdate(doc), id)
    }
  })
})
