/**
 * The SDK where a proxy lets no WebSocket pass: it goes over to plain HTTP by itself, means the same there, and goes back.
 *
 * ROOMTONE_BAR=1 holds the time of an edit to its bar.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { BALANCER_KINDS, Balancer } from '../lib/balancer.mjs'
import { freshRoom } from '../lib/clients.mjs'
import { Cluster } from '../lib/cluster.mjs'
import { spread } from '../lib/fault-rounds.mjs'
import { Gate } from '../lib/gate.mjs'
import { Proxy } from '../lib/proxy.mjs'
import { Talker } from '../lib/sdk-chat.mjs'
import { sdkChat, described, destroySdk, saved, sdkClient, synced } from '../lib/sdk.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

/** Generous: nothing here is measured by how soon it fails. */
const PATIENCE_MS = 90_000
const EDITS_COUNT = process.env.ROOMTONE_BAR ? 400 : 60
const EDIT_MS_P50_MAX = 150
/** In each direction: a server on the same continent. */
const NETWORK_DELAY_MS = 20
/** How often a client over HTTP looks whether a WebSocket opens by now, and how often it does here. */
const WEBSOCKET_AGAIN_MS = 300_000
const AGAIN_MS = 300
/** Nothing is to be learned from how long a swallowed WebSocket is waited for. */
const CONNECT_MS_MAX = 15_000
const CONNECT_MS = 1_000
/** Of the pauses that a client would make. */
const PAUSE_SHARE = 0.1

/** Time goes by faster for those bounds. */
const environment = {
  random: () => Math.random() * PAUSE_SHARE,
  setTimeout: (/** @type {() => void} */ run, /** @type {number} */ ms) =>
    setTimeout(run, ms === WEBSOCKET_AGAIN_MS ? AGAIN_MS : ms === CONNECT_MS_MAX ? CONNECT_MS : ms)
}

/** @param {any} room */
const text = (room) => room.doc.getText('t').toString()
/** @param {any} room @param {string} word */
const write = (room, word) => room.doc.getText('t').insert(text(room).length, word)
/** @param {any} room @param {() => unknown} condition @param {string} what */
const comes = (room, condition, what) => until(condition, PATIENCE_MS, what, () => ({ ...described(room), transport: room.transport, text: text(room).slice(-200) }))
/** @param {any} room @param {string} transport */
const goesOver = (room, transport) => comes(room, () => room.synced && room.transport === transport, `${transport}`)

describe('a proxy that lets no WebSocket pass', () => {
  /** @type {Server} */
  let server
  /** @type {Gate} */
  let gate
  /** @type {Proxy} */
  let line
  before(async () => { server = await Server.start() })
  afterEach(reportFailure(() => server))
  afterEach(async () => {
    destroySdk()
    await line?.stop()
    await gate?.stop()
  })
  after(() => server?.stop())

  /**
   * One over HTTP and one with a WebSocket, in the same room.
   *
   * @param {'refuse' | 'swallow'} upgrades
   * @param {number} [delay_ms] on the way to the gate, in each direction
   */
  async function pair (upgrades, delay_ms = 0) {
    gate = await Gate.start(server.port)
    gate.upgrades = upgrades
    line = await Proxy.start(gate.port)
    line.delay_ms = delay_ms
    const name = freshRoom('fallback')
    const [near, far] = [sdkClient({ ws: `ws://127.0.0.1:${line.port}` }, { environment }), sdkClient(server, { environment })]
    const [polled, direct] = [near.open(name), far.open(name)]
    await synced(direct)
    await goesOver(polled, 'http')
    return { name, near, far, polled, direct }
  }

  for (const upgrades of /** @type {const} */ (['refuse', 'swallow'])) {
    test(`${upgrades}: the client goes over to HTTP by itself, and edits go both ways`, async () => {
      const { near, far, polled, direct } = await pair(upgrades)
      assert.ok(gate.refused > 0, 'a WebSocket was tried first')
      write(polled, 'from http ')
      await comes(direct, () => text(direct) === 'from http ', 'the edit over HTTP')
      write(direct, 'from websocket')
      await comes(polled, () => text(polled) === 'from http from websocket', 'the edit over the WebSocket')
      // As much as needs more than one message.
      write(polled, 'x'.repeat(300_000))
      await comes(direct, () => text(direct).length === text(polled).length, 'a large edit')
      await saved(polled)

      polled.awareness.setLocalState({ name: 'over http' })
      await comes(direct, () => [...direct.awareness.getStates().values()].some((state) => state.name === 'over http'), 'the presence')
      /** @type {any[]} */
      const heard = []
      polled.on('event', (/** @type {any} */ event) => heard.push(event))
      assert.ok(direct.send('wave', { times: 7 }))
      await comes(polled, () => heard.length > 0, 'the event')
      assert.deepEqual(heard, [{ user: null, name: 'wave', payload: { times: 7 } }])
      const [talk, listening] = [sdkChat.chat(polled), sdkChat.chat(direct)]
      talk.post('hi over http')
      await comes(direct, () => listening.messages.length === 1, 'the chat')

      near.destroy()
      await comes(direct, () => direct.awareness.getStates().size <= 1, 'who leaves to be gone')
      assert.deepEqual([near.errors, far.errors], [[], []])
    })
  }

  for (const delay_ms of [0, NETWORK_DELAY_MS]) {
    test(`the time of an edit, ${delay_ms} ms away`, async () => {
      const { polled, direct } = await pair('refuse', delay_ms)
      for (const [way, from, to] of [['to a WebSocket', polled, direct], ['from a WebSocket', direct, polled]]) {
        /** @type {number[]} */
        const took_ms = []
        for (let n = 0; n < EDITS_COUNT; n++) {
          const word = `${way} ${n};`
          const arrived = new Promise((resolve) => {
            const look = () => {
              if (!text(to).endsWith(word)) return
              to.doc.off('update', look)
              resolve(performance.now())
            }
            to.doc.on('update', look)
          })
          const began = performance.now()
          write(from, word)
          took_ms.push(await arrived - began)
        }
        const { p50, p99, max } = spread(took_ms)
        console.log(`sdk-fallback: an edit over HTTP ${way}, ${delay_ms} ms away: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms of ${EDITS_COUNT}`)
        if (process.env.ROOMTONE_BAR) assert.ok(p50 < EDIT_MS_P50_MAX, `p50 ${p50} ms`)
      }
    })
  }

  test('saved is honest, and kill -9 is survived', async () => {
    const { name, polled, direct, near } = await pair('refuse')
    for (let round = 0; round < 4; round++) {
      write(polled, `saved ${round};`)
      await saved(polled)
      const promised = text(polled)
      // On its way, or not even that.
      write(polled, `late ${round};`)
      assert.notEqual(polled.saved.state, 'saved')
      await server.kill()
      await comes(polled, () => polled.status !== 'connected', 'it to notice')
      const { transport } = polled
      assert.equal(transport, null)
      write(polled, `away ${round};`)
      assert.ok(polled.saved.unsaved > 0)
      await server.revive()
      const reader = sdkClient(server).open(name)
      await synced(reader)
      assert.deepEqual(promised.split(';').filter((word) => !text(reader).includes(word)), [], 'called saved, and lost')
      await goesOver(polled, 'http')
      await saved(polled)
      await comes(direct, () => direct.synced && text(direct) === text(polled), 'both to be the same')
    }
    for (const each of ['saved', 'late', 'away']) {
      for (let round = 0; round < 4; round++) assert.equal(text(direct).split(`${each} ${round};`).length, 2, `"${each} ${round}" once`)
    }
    assert.deepEqual(near.errors, [])
  })

  test('requests that are cut on their way cost nothing and double nothing', async () => {
    const { polled, direct } = await pair('refuse')
    for (let n = 0; n < 100; n++) {
      write(polled, `<${n}>`)
      write(direct, `[${n}]`)
      await new Promise((resolve) => setTimeout(resolve, 5))
      if (n % 5 === 0) gate.cut()
    }
    await saved(polled)
    await comes(polled, () => polled.synced && text(polled) === text(direct), 'both to be the same')
    for (let n = 0; n < 100; n++) for (const word of [`<${n}>`, `[${n}]`]) assert.equal(text(direct).split(word).length, 2, `${word} once`)
  })

  test('the chat over HTTP, with requests that are cut and a server that is killed: each message once, in order', async () => {
    gate = await Gate.start(server.port)
    const room = freshRoom('fallback')
    // Nobody has a name: whose a message is, its key alone tells.
    const talkers = await Promise.all([gate, gate, server].map((each) => new Talker({ server: each, room, random: environment.random }).live()))
    await goesOver(talkers[0].room, 'http')
    for (let n = 0; n < 8; n++) {
      for (const [who, each] of talkers.entries()) each.post(`${who}: ${n}`)
      await new Promise((resolve) => setTimeout(resolve, n))
      if (n === 5) await server.restart()
      else gate.cut()
    }
    const count = talkers.length * 8
    await until(() => talkers.every((each) => each.isSettled && each.chat.messages.length === count), PATIENCE_MS, 'all to have all', () => talkers.map((each) => each.describe()))
    for (const { texts, wrote, broken } of talkers) {
      assert.deepEqual(texts, talkers[0].texts)
      assert.deepEqual(texts.filter((/** @type {string} */ text) => wrote.includes(text)), wrote)
      assert.deepEqual(broken, [])
    }
  })

  for (const upgrades of /** @type {const} */ (['refuse', 'swallow'])) {
    test(`${upgrades}: when upgrades work again it goes back to a WebSocket, and nothing is lost on the way`, async () => {
      const { polled, direct, near } = await pair(upgrades)
      let count = 0
      const writing = setInterval(() => write(polled, `<${count++}>`), 10)
      try {
        await comes(polled, () => count > 20, 'some edits over HTTP')
        assert.equal(polled.transport, 'http')
        gate.upgrades = 'pass'
        await goesOver(polled, 'websocket')
      } finally {
        clearInterval(writing)
      }
      await saved(polled)
      await comes(direct, () => text(direct) === text(polled), 'both to be the same')
      for (let n = 0; n < count; n++) assert.equal(text(direct).split(`<${n}>`).length, 2, `<${n}> once`)
      // And to HTTP again: a laptop that is carried from one network to another.
      gate.upgrades = upgrades
      gate.cut()
      await goesOver(polled, 'http')
      assert.deepEqual(near.errors, [])
    })
  }
})

for (const kind of BALANCER_KINDS) {
  describe(`${kind} in front of three nodes, and no WebSocket passes`, () => {
    /** @type {Cluster} */
    let cluster
    /** @type {Balancer} */
    let balancer
    /** @type {Gate} */
    let gate
    before(async () => {
      cluster = await Cluster.start(3)
      balancer = await Balancer.start(kind, cluster.nodes.map((node) => node.port))
      gate = await Gate.start(balancer.port)
    })
    for (const n of [0, 1, 2]) afterEach(reportFailure(() => cluster?.nodes[n]))
    after(async () => {
      destroySdk()
      await gate?.stop()
      await balancer?.stop()
      await cluster?.stop()
    })

    /** Which nodes got requests of each session, by the balancer's log. @returns {Map<string, Set<string>>} */
    const nodesOfSessions = () => {
      const nodes = new Map()
      for (const line of balancer.log().split('\n')) {
        const [, session] = /\/v1\/sessions\/([\w-]+)"/.exec(line) ?? []
        const [, node] = (kind === 'nginx' ? / s (127\.0\.0\.1:\d+)/ : / rooms\/(roomtone-\d)/).exec(line) ?? []
        if (session !== undefined && node !== undefined) nodes.set(session, (nodes.get(session) ?? new Set()).add(node))
      }
      return nodes
    }

    test('each session stays on its node, and they are spread', async () => {
      const name = freshRoom('balanced')
      const rooms = Array.from({ length: 12 }, () => sdkClient(gate, { environment }).open(name))
      await Promise.all(rooms.map((room) => goesOver(room, 'http')))
      for (let round = 0; round < 5; round++) {
        for (const [n, room] of rooms.entries()) {
          write(room, `<${n}.${round}>`)
          await saved(room)
        }
      }
      const all = rooms.length * 5 * '<0.0>'.length + 2 * 5
      for (const room of rooms) await comes(room, () => text(room).length === all, 'every edit')
      assert.equal(new Set(rooms.map(text)).size, 1)
      const sessions = await until(() => {
        const found = nodesOfSessions()
        return found.size >= rooms.length && found
      }, PATIENCE_MS, 'the sessions in the log', () => balancer.log().slice(-1_000))
      assert.equal(sessions.size, rooms.length, 'nobody had to begin another session')
      for (const [session, nodes] of sessions) assert.equal(nodes.size, 1, `${session} was on ${[...nodes]}`)
      assert.ok(new Set([...sessions.values()].flatMap((nodes) => [...nodes])).size > 1, 'on more than one node')
      for (const room of rooms) assert.equal(room.transport, 'http')
    })

    test('nodes are killed and stopped and come back: nothing is lost', async () => {
      const name = freshRoom('balanced')
      const clients = Array.from({ length: 6 }, () => sdkClient(gate, { environment }))
      const rooms = clients.map((client) => client.open(name))
      await Promise.all(rooms.map((room) => goesOver(room, 'http')))
      let count = 0
      const writing = setInterval(() => write(rooms[count % rooms.length], `<${count++}>`), 20)
      try {
        for (const [n, node] of cluster.nodes.entries()) {
          await node.restart(n === 1 ? 'SIGTERM' : 'SIGKILL')
          const since = count
          await until(() => count > since + 50 && rooms.every((room) => room.synced), PATIENCE_MS, 'everybody to go on', () => rooms.map(described))
        }
      } finally {
        clearInterval(writing)
      }
      for (const room of rooms) await saved(room, PATIENCE_MS)
      await until(() => new Set(rooms.map(text)).size === 1, PATIENCE_MS, 'all to be the same', () => rooms.map((room) => text(room).length))
      for (let n = 0; n < count; n++) assert.equal(text(rooms[0]).split(`<${n}>`).length, 2, `<${n}> once`)
      assert.deepEqual(clients.flatMap(({ errors }) => errors), [])
    })
  })
}
