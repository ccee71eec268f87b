/**
 * A server that stops and starts again, politely and by `kill -9`, under many clients of the SDK: all of them are back and synced, each
 * a little after the other.
 *
 * What is wanted: back within 2 s (p95), and at most a fifth of the attempts in any half second. A fifth in half a second means 2.5 s for
 * all, so p95 is 2.4 s at least, less the time that the server is away: with a server that is back at once the two cannot both hold. They
 * are told, and held is what the SDK and the server make of them: an even return over 2.6 s after a polite end, a random one over 2.5 s
 * after any other, with some room for chance and for the one process that all clients share here. A server that is away for some
 * seconds, as most are, has both held.
 *
 * 500 clients with ROOMTONE_BAR=1. 100 in CI, where only what a busy machine cannot change is held: everybody comes back, and means to do so
 * one after the other. ROOMTONE_RECONNECT_CLIENTS.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { freshRoom } from '../lib/clients.mjs'
import { described, destroySdk, sdkClient } from '../lib/sdk.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const IS_BAR = Boolean(process.env.ROOMTONE_BAR)
const CLIENTS = Number(process.env.ROOMTONE_RECONNECT_CLIENTS ?? (IS_BAR ? 500 : 100))
const ROOM_CLIENTS = 10
const PATIENCE_MS = 90_000
/** The SDK calls a connection stable after 10 s: what it does when one of those is lost is what is looked at. */
const STABLE_MS = 11_000
const WINDOW_MS = 500
const WINDOW_SHARE_WANTED = 0.2
const WINDOW_SHARE_MAX = 0.3
/** Of the moments for which they plan it, whenever they get to it. A fifth is what chance gives on average. */
const PLANNED_SHARE_MAX = IS_BAR ? 0.3 : 0.45
const PLANNED_MS_MAX = 2_600
const BACK_P95_MS_WANTED = 2_000
const BACK_P95_MS_MAX = 3_000

/** @type {Server} */
let server
/** @type {Visitor[]} */
const visitors = []

/** A client in a room, and when it did what. */
class Visitor {
  /** When it tried to connect, by `performance.now()`. @type {number[]} */
  attempts = []
  /** How long it means to stay away after the loss. @type {number | null} */
  planned_ms = null
  synced_at = Infinity
  lost_at = Infinity

  /** @param {string} name */
  constructor (name) {
    this.client = sdkClient(server, { onSocket: () => this.attempts.push(performance.now()) })
    this.client.on('status', () => {
      const { retryAt } = this.client
      if (retryAt !== null) this.planned_ms ??= retryAt - Date.now()
    })
    this.room = this.client.open(name)
    this.room.on('sync', (/** @type {boolean} */ isSynced) => {
      if (isSynced) this.synced_at = performance.now()
      else this.lost_at = Math.min(this.lost_at, performance.now())
    })
  }

  reset () {
    this.attempts = []
    this.planned_ms = null
    this.synced_at = Infinity
    this.lost_at = Infinity
  }

  get isBack () { return this.room.synced && this.synced_at < Infinity }
}

before(async () => { server = await Server.start() })
afterEach(reportFailure(() => server))
after(async () => {
  destroySdk()
  await server?.stop()
})

const everybodyIsBack = () => until(() => visitors.every((visitor) => visitor.isBack), PATIENCE_MS, 'everybody to be synced',
  () => [visitors.filter((visitor) => !visitor.isBack).length, visitors.filter((visitor) => !visitor.isBack).slice(0, 3).map(({ room }) => described(room))])

/** The largest share of these moments that lies in one window. @param {number[]} moments */
function busiest (moments) {
  const sorted = [...moments].sort((a, b) => a - b)
  let most = 0
  for (let from = 0, to = 0; to < sorted.length; to++) {
    while (sorted[to] - sorted[from] >= WINDOW_MS) from++
    most = Math.max(most, to - from + 1)
  }
  return most / sorted.length
}

/** @param {number[]} values @param {number} part */
const quantile = (values, part) => Math.round([...values].sort((a, b) => a - b)[Math.ceil(values.length * part) - 1])

test(`${CLIENTS} clients arrive`, { timeout: 120_000 }, async () => {
  for (let n = 0; n < CLIENTS; n += ROOM_CLIENTS) {
    const name = freshRoom('return')
    for (let k = 0; k < ROOM_CLIENTS; k++) visitors.push(new Visitor(name))
    // One process opens them all: what it does at once is not what they would do.
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await everybodyIsBack()
  // Each room has a text that was saved, so that "synced" means to hold something.
  for (const { room } of visitors) room.doc.getText('t').insert(0, '.')
  await until(() => visitors.every(({ room }) => room.saved.state === 'saved' && room.doc.getText('t').length === ROOM_CLIENTS), PATIENCE_MS, 'every text to be saved and everywhere')
})

/** How it ends, and for how long it is away. @type {[NodeJS.Signals, number][]} */
const ENDS = [['SIGTERM', 0], ['SIGKILL', 0], ['SIGTERM', 3_000]]
if (IS_BAR) ENDS.push(['SIGKILL', 3_000], ['SIGKILL', 8_000])

for (const [signal, awayMs] of ENDS) {
  const way = `${signal === 'SIGKILL' ? 'kill -9' : signal} and a start${awayMs === 0 ? '' : ` after ${awayMs / 1_000} s`}`
  test(`${way}: everybody is back, one after the other`, { timeout: 200_000 }, async () => {
    await new Promise((resolve) => setTimeout(resolve, STABLE_MS))
    for (const visitor of visitors) visitor.reset()
    const stopped = performance.now()
    await server.restart(signal, awayMs)
    const ready = performance.now()
    await everybodyIsBack()

    const first_lost = Math.min(...visitors.map(({ lost_at }) => lost_at))
    const attempts = visitors.flatMap((visitor) => visitor.attempts)
    const most = Math.max(...visitors.map((visitor) => visitor.attempts.length))
    // Who was synced before the answer of the readiness page came was back at once.
    const from_ready = visitors.map(({ synced_at }) => Math.max(0, synced_at - ready))
    const from_loss = visitors.map(({ synced_at, lost_at }) => synced_at - lost_at)
    const share = busiest(attempts)
    const planned = visitors.map(({ planned_ms }) => planned_ms ?? Infinity)
    const planned_share = busiest(planned)
    const p95 = quantile(from_ready, 0.95)
    console.log(
      `sdk-reconnect, ${way}: ${CLIENTS} clients, the server was away for ${Math.round(ready - Math.max(stopped, first_lost))} ms; synced after it was ready:`,
      `p50 ${quantile(from_ready, 0.5)}, p95 ${p95}, last ${quantile(from_ready, 1)} ms; after the loss: p50 ${quantile(from_loss, 0.5)}, p95 ${quantile(from_loss, 0.95)},`,
      `last ${quantile(from_loss, 1)} ms; ${attempts.length} attempts over ${Math.round(Math.max(...attempts) - Math.min(...attempts))} ms, at most ${most} by one;`,
      `of the clients ${(busiest(visitors.map(({ synced_at }) => synced_at)) * 100).toFixed(1)} % came back and of the attempts`,
      `${(share * 100).toFixed(1)} % were made in the busiest ${WINDOW_MS} ms (${(planned_share * 100).toFixed(1)} % as planned; wanted: p95 under ${BACK_P95_MS_WANTED} ms, at most ${WINDOW_SHARE_WANTED * 100} %)`
    )
    for (const { client, room } of visitors) {
      assert.deepEqual(client.errors, [])
      assert.equal(room.doc.getText('t').length, ROOM_CLIENTS, 'nothing doubled, nothing lost')
      assert.equal(room.saved.unsaved, 0)
    }
    assert.ok(Math.max(...planned) <= PLANNED_MS_MAX, `somebody planned to stay away for ${Math.max(...planned)} ms`)
    assert.ok(planned_share <= PLANNED_SHARE_MAX, `${(planned_share * 100).toFixed(1)} % planned to come back within ${WINDOW_MS} ms`)
    if (IS_BAR) {
      const isLong = awayMs > 0
      assert.ok(share <= (isLong ? WINDOW_SHARE_WANTED : WINDOW_SHARE_MAX), `${(share * 100).toFixed(1)} % of the attempts came within ${WINDOW_MS} ms`)
      assert.ok(p95 <= (isLong ? BACK_P95_MS_WANTED : BACK_P95_MS_MAX), `p95 ${p95} ms`)
    }
  })
}
