/**
 * The SDK's chat against the server: a crowd whose connections drop all the time ends with one list; what was shown as sent is in the
 * store after `kill -9`, once; and what one does, others see.
 *
 * ROOMTONE_BAR=1: 100 people and 50 messages a second. ROOMTONE_SEED repeats a run's faults.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { freshRoom } from '../lib/clients.mjs'
import { Cluster } from '../lib/cluster.mjs'
import { Chance, runSeed } from '../lib/fault-random.mjs'
import { mint } from '../lib/jwt.mjs'
import { Proxy } from '../lib/proxy.mjs'
import { Talker, listOf } from '../lib/sdk-chat.mjs'
import { destroySdk } from '../lib/sdk.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const SECRET = 'chat-secret-that-is-long-enough-for-hs256'
const IS_BAR = Boolean(process.env.ROOMTONE_BAR)
const CROWD_COUNT = IS_BAR ? 100 : 20
/** Each of the crowd stays far below what CH5 allows. */
const POSTS_PER_S = IS_BAR ? 50 : 16
const POSTS_COUNT = IS_BAR ? 1_500 : 120
/** Each has a proxy of its own, which is what drops. */
const GROUPS_COUNT = 10
const FAULT_EVERY_MS = 150
const FREEZE_MS_MAX = 200
/** Of the pauses that a client would make. */
const PAUSE_SHARE = 0.1
/** Generous: on a machine that is busy with other tests as well. */
const PATIENCE_MS = 120_000
/** What the bus loses last leaves no hole, and is asked for after a silence. */
const SILENCE_MS = 1_000
const KILLS_COUNT = IS_BAR ? 20 : 4

/** @param {string} sub @param {Record<string, unknown>} [claims] */
const tokenOf = (sub, claims) => mint({ sub, name: sub.toUpperCase(), ...claims }, SECRET)
const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms))
/** @param {Proxy} proxy */
const addressOf = (proxy) => ({ ws: `ws://127.0.0.1:${proxy.port}` })
/** @param {any[]} messages */
const textsOf = (messages) => messages.map(({ text }) => text)

/** The numbers have no holes, and everybody's messages are in the order in which they were written. @param {any[]} list @param {Talker[]} talkers */
function isWhole (list, talkers) {
  assert.deepEqual(list.map(({ seq }) => seq), list.map((_, n) => n + 1))
  for (const { wrote } of talkers) {
    const own = new Set(wrote)
    assert.deepEqual(textsOf(list).filter((text) => own.has(text)), wrote)
  }
  assert.equal(list.length, talkers.reduce((sum, { wrote }) => sum + wrote.length, 0))
}

describe('the chat of the SDK', () => {
  /** @type {Server} */
  let server
  /** @type {Proxy[]} */
  let proxies = []
  before(async () => { server = await Server.start({ jwtSecret: SECRET }) })
  afterEach(reportFailure(() => server))
  afterEach(async () => {
    destroySdk()
    for (const proxy of proxies.splice(0)) await proxy.stop()
  })
  after(() => server?.stop())

  /** @param {string} sub @param {string} room @param {Record<string, unknown>} [claims] */
  const talker = (sub, room, claims) => new Talker({ server, room, token: tokenOf(sub, claims) }).live()

  test(`${CROWD_COUNT} people, ${POSTS_PER_S} messages a second, connections that drop: one list, no loss, no doubles, in order`, { timeout: 600_000 }, async () => {
    const chance = new Chance(runSeed('sdk-chat'))
    const random = chance.fork()
    const room = freshRoom('crowd')
    proxies = await Promise.all(Array.from({ length: GROUPS_COUNT }, () => Proxy.start(server.port)))
    const talkers = Array.from({ length: CROWD_COUNT }, (_, n) => new Talker({
      server: addressOf(proxies[n % GROUPS_COUNT]), room, token: tokenOf(`u${n}`), random: () => random.unit() * PAUSE_SHARE, isWatching: false
    }))
    await Promise.all(talkers.map((each) => each.live()))

    let isOver = false
    let dropped = 0
    const faults = (async () => {
      while (!isOver) {
        await pause(chance.between(1, 2 * FAULT_EVERY_MS))
        const proxy = chance.pick(proxies)
        dropped += proxy.connections
        switch (chance.pick(['cut', 'orphan', 'freeze', 'one'])) {
          case 'cut': proxy.cut(); break
          case 'orphan': proxy.orphanServerSide(); break
          case 'one': chance.pick(talkers).cut(); break
          case 'freeze':
            proxy.freeze()
            await pause(chance.between(1, FREEZE_MS_MAX))
            proxy.thaw()
        }
      }
    })()
    const began = performance.now()
    for (let n = 0; n < POSTS_COUNT; n++) {
      await pause(began + n * 1_000 / POSTS_PER_S - performance.now())
      talkers[n % CROWD_COUNT].post(`message ${n}`)
    }
    const took_ms = performance.now() - began
    isOver = true
    await faults
    const open = () => talkers.filter((each) => !each.isSettled || each.chat.messages.length !== POSTS_COUNT)
    await until(() => open().length === 0, PATIENCE_MS, 'everybody to have everything', () => open().map((each) => each.describe()))
    const settled_ms = performance.now() - began - took_ms

    const list = await listOf(server, room, tokenOf('u0'))
    isWhole(list, talkers)
    for (const { chat, client } of talkers) {
      assert.deepEqual(textsOf(chat.messages), textsOf(list))
      assert.deepEqual(chat.messages.map((/** @type {any} */ each) => each.seq), list.map(({ seq }) => seq))
      assert.deepEqual(client.errors, [])
    }
    console.log(`sdk-chat: ${CROWD_COUNT} people, ${POSTS_COUNT} messages at ${Math.round(POSTS_COUNT * 1_000 / took_ms)}/s, ${dropped} connections in faults, settled ${Math.round(settled_ms)} ms after the last`)
    // Vacuous otherwise.
    assert.ok(dropped > CROWD_COUNT, `only ${dropped} connections were in a fault`)
    if (IS_BAR) assert.ok(POSTS_COUNT * 1_000 / took_ms >= POSTS_PER_S * 0.95, 'the rate was kept')
  })

  test('kill -9 under writers: what anybody was shown as sent is there, once', { timeout: 600_000 }, async () => {
    const chance = new Chance(runSeed('sdk-chat kill'))
    const room = freshRoom('killed')
    const [proxy] = proxies = [await Proxy.start(server.port)]
    const talkers = Array.from({ length: 8 }, (_, n) => new Talker({
      server: addressOf(proxy), room, token: tokenOf(`k${n}`), random: () => chance.unit() * PAUSE_SHARE
    }))
    await Promise.all(talkers.map((each) => each.live()))
    let isOver = false
    const writing = Promise.all(talkers.map(async (each, who) => {
      for (let n = 0; !isOver; n++) {
        each.post(`${who}: ${n}`)
        await pause(chance.between(300, 900))
      }
    }))
    let exposed = 0
    try {
      for (let kill = 0; kill < KILLS_COUNT; kill++) {
        const before = talkers.reduce((sum, { shown }) => sum + shown.size, 0)
        await until(() => talkers.reduce((sum, { shown }) => sum + shown.size, 0) > before + talkers.length, PATIENCE_MS, 'some to be shown')
        await pause(chance.between(0, 300))
        // Written in the moment before it: some are on their way.
        for (const each of talkers) each.post(`burst ${kill} of ${talkers.indexOf(each)}`)
        await pause(chance.between(0, 4))
        exposed += talkers.reduce((sum, { chat }) => sum + chat.messages.filter((/** @type {any} */ { state }) => state !== 'sent').length, 0)
        await server.kill()
        await until(() => talkers.every(({ client }) => client.status !== 'connected'), PATIENCE_MS, 'everybody to notice')
        proxy.refuse()
        const shown = new Set(talkers.flatMap((each) => [...each.shown.keys()]))
        await server.revive()
        // The store alone, before anybody who still remembers comes back.
        const texts = textsOf(await listOf(server, room, tokenOf('k0')))
        assert.deepEqual([...shown].filter((text) => !texts.includes(text)), [], 'shown as sent, and lost')
        assert.equal(new Set(texts).size, texts.length, 'each once')
        await proxy.accept()
        await Promise.all(talkers.map((each) => each.live()))
      }
    } finally {
      isOver = true
      await writing
    }
    const count = talkers.reduce((sum, { wrote }) => sum + wrote.length, 0)
    const open = () => talkers.filter((each) => !each.isSettled || each.chat.messages.length !== count)
    await until(() => open().length === 0, PATIENCE_MS, 'everything to be everywhere', () => open().map((each) => each.describe()))
    const list = await listOf(server, room, tokenOf('k0'))
    isWhole(list, talkers)
    for (const { chat, broken, client } of talkers) {
      assert.deepEqual(textsOf(chat.messages), textsOf(list))
      assert.deepEqual({ broken, errors: client.errors }, { broken: [], errors: [] })
    }
    console.log(`sdk-chat: ${KILLS_COUNT} kills, ${count} messages, ${exposed} under way when it struck, 0 lost`)
    assert.ok(exposed > 0, 'nothing was under way at any kill')
  })

  test('what one does, the other sees: post, edit, delete, react, thread', async () => {
    const room = freshRoom('talk')
    const [ada, bob] = await Promise.all([talker('ada', room), talker('bob', room)])
    const draft = ada.post('  hi @bob  ', { mentions: ['bob'] })
    assert.equal(draft.state, 'sending')
    await bob.sees(() => bob.message(1), 'the post')
    const { text, user, name, isMine, mentions, state } = bob.message(1)
    assert.deepEqual({ text, user, name, isMine, mentions, state }, { text: 'hi @bob', user: 'ada', name: 'ADA', isMine: false, mentions: ['bob'], state: 'sent' })
    await ada.sees(() => ada.message(1), 'it to be sent')
    assert.equal(ada.message(1).id, draft.id, 'it keeps its id')
    assert.ok(ada.message(1).isMine)

    await ada.chat.edit(1, 'hello')
    await bob.sees(() => bob.message(1).text === 'hello' && bob.message(1).editedMs !== null, 'the edit')
    await bob.chat.react(1, '👍')
    await ada.sees(() => ada.message(1).reactions.length === 1, 'the reaction')
    assert.deepEqual(ada.message(1).reactions, [{ emoji: '👍', users: ['bob'], isMine: false }])
    await bob.chat.react(1, '👍', false)
    await ada.sees(() => ada.message(1).reactions.length === 0, 'it to be taken back')

    bob.post('an answer', { thread: 1 })
    await ada.sees(() => ada.chat.replies(1).length === 1, 'the answer')
    assert.equal(ada.chat.replies(1)[0].text, 'an answer')
    ada.post('an answer to it', { thread: 2 })
    await bob.sees(() => bob.chat.replies(1).length === 2, 'it to belong to the thread that began it')

    await assert.rejects(bob.chat.edit(1, 'mine now'), { code: 'forbidden' })
    await assert.rejects(bob.chat.remove(1), { code: 'forbidden' })
    await assert.rejects(bob.chat.edit(99, 'nothing'), { code: 'not_found' })
    await ada.chat.remove(1)
    await bob.sees(() => bob.message(1).deleted, 'the deletion')
    assert.equal(bob.message(1).text, '')
    assert.equal(bob.chat.messages.length, 3, 'it keeps its place')

    const owner = await talker('own', room, { role: 'owner' })
    await owner.chat.remove(2)
    await ada.sees(() => ada.message(2).deleted, 'an owner to delete what others wrote')
    // Who comes now finds all of it as it is.
    const late = await talker('late', room)
    assert.deepEqual(late.chat.messages.map((/** @type {any} */ { seq, text, deleted }) => [seq, text, deleted]), [[1, '', true], [2, '', true], [3, 'an answer to it', false]])
    for (const { client } of [ada, bob, owner, late]) assert.deepEqual(client.errors, [])
  })

  test('unread messages, and markers that all devices of a user share', async () => {
    const room = freshRoom('read')
    const [ada, bob, phone] = await Promise.all([talker('ada', room), talker('bob', room), talker('bob', room)])
    for (let n = 1; n <= 5; n++) ada.post(`message ${n}`)
    for (const each of [bob, phone]) await each.sees(() => each.chat.unreadCount === 5, 'five to be unread')
    await ada.sees(() => ada.isSettled, 'all to be sent')
    assert.equal(ada.chat.unreadCount, 0, 'her own are read')
    await ada.chat.remove(4)
    await bob.sees(() => bob.chat.unreadCount === 4, 'a deleted one not to count')
    bob.chat.markRead(3)
    assert.equal(bob.chat.unreadCount, 1)
    await phone.sees(() => phone.chat.readSeq === 3 && phone.chat.unreadCount === 1, 'the marker on the other device')
    bob.chat.markRead(2)
    assert.equal(bob.chat.readSeq, 3, 'it never goes back')
    const next = await talker('bob', room)
    assert.deepEqual([next.chat.readSeq, next.chat.unreadCount], [3, 1], 'a device that comes later')
    phone.chat.markRead()
    await bob.sees(() => bob.chat.unreadCount === 0 && bob.chat.readSeq === 5, 'the last marker')
    assert.equal(ada.chat.readSeq, 0, 'it is nobody else\'s')
  })

  test('a viewer reads and does not write; a commenter writes', async () => {
    const room = freshRoom('roles')
    const [ada, viewer, commenter] = await Promise.all([talker('ada', room), talker('eve', room, { role: 'viewer' }), talker('com', room, { role: 'commenter' })])
    ada.post('for everybody')
    await viewer.sees(() => viewer.message(1), 'the message')
    const draft = viewer.post('not allowed')
    await viewer.sees(() => viewer.chat.messages.some((/** @type {any} */ each) => each.state === 'failed'), 'it to fail')
    assert.equal(viewer.chat.messages.at(-1).error.code, 'forbidden')
    await assert.rejects(viewer.chat.react(1, '👍'), { code: 'forbidden' })
    assert.ok(viewer.chat.discard(draft.id))
    viewer.chat.markRead()
    commenter.post('allowed')
    await viewer.sees(() => viewer.message(2), 'the commenter\'s')
    assert.deepEqual(textsOf(await listOf(server, room, tokenOf('eve', { role: 'viewer' }))), ['for everybody', 'allowed'])
  })

  test('history comes by pages, and a drop in the middle of a burst leaves no hole', { timeout: 240_000 }, async () => {
    const room = freshRoom('pages')
    const writers = await Promise.all(Array.from({ length: 13 }, (_, n) => talker(`w${n}`, room)))
    const count = 120
    for (let n = 0; n < count; n++) writers[n % writers.length].post(`line ${n}`)
    // Ten at once each: nobody is too fast. The answers of some get lost.
    for (const each of writers.slice(0, 6)) each.cut()
    await until(() => writers.every((each) => each.isSettled && each.chat.messages.length === count), PATIENCE_MS, 'all to be there', () => writers.map((each) => each.describe()))
    const list = await listOf(server, room, tokenOf('w0'))
    isWhole(list, writers)
    const late = await talker('late', room)
    assert.deepEqual(textsOf(late.chat.messages), textsOf(list.slice(-50)))
    assert.equal(late.chat.unreadCount, count, 'also those that are not loaded')
    assert.ok(late.chat.hasOlder)
    assert.equal(await late.chat.loadOlder(), true)
    assert.deepEqual(textsOf(late.chat.messages), textsOf(list.slice(-100)))
    assert.equal(await late.chat.loadOlder(), false)
    assert.deepEqual(textsOf(late.chat.messages), textsOf(list))
    assert.equal(late.chat.hasOlder, false)
  })

  test('over CH5 the client waits, and sends all of it, once and in order', async () => {
    const room = freshRoom('fast')
    const ada = await talker('ada', room)
    for (let n = 0; n < 16; n++) ada.post(`fast ${n}`)
    await ada.sees(() => ada.isSettled, 'all to be sent')
    isWhole(await listOf(server, room, tokenOf('ada')), [ada])
  })
})

describe('the chat of the SDK on two nodes', () => {
  /** @type {Cluster} */
  let cluster
  before(async () => { cluster = await Cluster.start(2, { jwtSecret: SECRET }) })
  afterEach(reportFailure(() => cluster?.nodes[0]))
  afterEach(reportFailure(() => cluster?.nodes[1]))
  afterEach(destroySdk)
  after(() => cluster?.stop())

  /** @param {string} sub @param {string} room @param {number} n of the node */
  const talker = (sub, room, n) => new Talker({ server: cluster.nodes[n], room, token: tokenOf(sub), silence_ms: SILENCE_MS }).live()

  test('what is done on one is seen on the other', async () => {
    const room = freshRoom('nodes')
    const [ada, bob, phone] = await Promise.all([talker('ada', room, 0), talker('bob', room, 1), talker('bob', room, 0)])
    ada.post('from the first')
    await bob.sees(() => bob.message(1), 'the post')
    bob.post('from the second', { thread: 1 })
    await ada.sees(() => ada.chat.replies(1).length === 1, 'the answer')
    await bob.chat.react(1, '🎉')
    await ada.sees(() => ada.message(1).reactions.length === 1, 'the reaction')
    await ada.chat.edit(1, 'edited')
    await bob.sees(() => bob.message(1).text === 'edited', 'the edit')
    bob.chat.markRead()
    await phone.sees(() => phone.chat.readSeq === 2, 'the marker of the same user')
    await ada.chat.remove(1)
    await bob.sees(() => bob.message(1).deleted, 'the deletion')
  })

  test('both write at once, and Redis is away for a while: one list', { timeout: 240_000 }, async () => {
    const room = freshRoom('nodes')
    const talkers = await Promise.all([0, 1, 0, 1].map((n, who) => talker(`u${who}`, room, n)))
    const round = (/** @type {string} */ when) => talkers.forEach((each, who) => each.post(`${when}, ${who}`))
    round('before')
    await until(() => talkers.every((each) => each.isSettled && each.chat.messages.length === 4), PATIENCE_MS, 'the first round', () => talkers.map((each) => each.describe()))
    await cluster.redis.kill()
    round('without')
    await until(() => talkers.every((each) => each.isSettled && each.chat.messages.length === 8), PATIENCE_MS, 'the round without Redis', () => talkers.map((each) => each.describe()))
    await cluster.redis.start()
    round('after')
    await until(() => talkers.every((each) => each.isSettled && each.chat.messages.length === 12), PATIENCE_MS, 'all to have all', () => talkers.map((each) => each.describe()))
    const list = await listOf(cluster.nodes[1], room, tokenOf('u0'))
    isWhole(list, talkers)
    for (const { chat, broken } of talkers) {
      assert.deepEqual(textsOf(chat.messages), textsOf(list))
      assert.deepEqual(broken, [])
    }
  })
})
