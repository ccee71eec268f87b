/**
 * What is left of rooms that one client opened, worked in and left: nothing, on either side. (In one process with fakes:
 * client-sdk-ts/packages/core/test/leak.test.ts.)
 *
 * 1,000 rooms a round with ROOMTONE_BAR=1, 300 in CI. ROOMTONE_LEAK_ROOMS.
 */
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { freshRoom } from '../lib/clients.mjs'
import { destroySdk, saved, sdkClient, synced } from '../lib/sdk.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const IS_BAR = Boolean(process.env.ROOMTONE_BAR)
const ROOMS = Number(process.env.ROOMTONE_LEAK_ROOMS ?? (IS_BAR ? 1_000 : 300))
/** Open at the same time. */
const SOME = 20
const TEXT_BYTES = 2_000
const PATIENCE_MS = 60_000
const HEAP_GROWTH_MAX = 0.05
/** Rounds until compilers, caches and allocators on both sides are done with growing. */
const WARM_UP_ROUNDS = 3
/** Of the server in the last round: noise of its allocator, and less than so many rooms would leave behind. */
const RSS_GROWTH_BYTES_MAX = IS_BAR ? 4_000_000 : 8_000_000

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

/** @type {Server} */
let server
afterEach(reportFailure(() => server))
after(async () => {
  destroySdk()
  await server?.stop()
})

/** The heap when everything that can go has gone: timers of the runtime and sockets need a turn of their own for it. */
async function heapBytes () {
  for (let n = 0; n < 5; n++) {
    gc()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return process.memoryUsage().heapUsed
}

/** @param {any} client @param {number} n */
async function visit (client, n) {
  const room = client.open(freshRoom('visit'))
  for (const name of ['status', 'sync', 'saved', 'event', 'role']) room.on(name, () => {})
  room.awareness.setLocalState({ name: `visitor ${n}`, cursor: { x: n, y: n } })
  await synced(room, PATIENCE_MS)
  room.doc.getText('t').insert(0, 'x'.repeat(TEXT_BYTES))
  room.send('here', { n })
  // Some are left in the middle of things.
  if (n % 4 !== 0) await saved(room, PATIENCE_MS)
  room.destroy()
}

/** @param {any} client */
async function round (client) {
  for (let n = 0; n < ROOMS; n += SOME) await Promise.all(Array.from({ length: SOME }, (_, k) => visit(client, n + k)))
  // The first room stays.
  await until(async () => await server.metric('roomtone_rooms') <= 1, PATIENCE_MS, 'the rooms to go to sleep', () => server.metric('roomtone_rooms'))
}

test(`${ROOMS} rooms opened and left, round after round`, { timeout: 600_000 }, async () => {
  server = await Server.start({ args: ['--limit', 'room_idle_ms=200'] })
  const client = sdkClient(server)
  const stays = await synced(client.open(freshRoom('stays')))
  for (let n = 0; n < WARM_UP_ROUNDS; n++) await round(client)
  const heap = [await heapBytes()]
  const rss = [await server.rssBytes()]
  for (let n = 0; n < 2; n++) {
    await round(client)
    heap.push(await heapBytes())
    rss.push(await server.rssBytes())
  }
  const mb = (/** @type {number[]} */ all) => all.map((bytes) => (bytes / 1e6).toFixed(2)).join(', ')
  const growth = heap[2] / heap[0] - 1
  const left = rss[2] - rss[1]
  console.log(`sdk-leaks: ${ROOMS} rooms a round: heap ${mb(heap)} MB (${(growth * 100).toFixed(1)} %), server RSS ${mb(rss)} MB (${Math.round(left / ROOMS)} bytes a room in the last round)`)
  assert.equal(client.sockets.length, 1)
  assert.equal(stays.status, 'connected')
  stays.doc.getText('t').insert(0, 'still here')
  await saved(stays)
  assert.deepEqual(client.errors, [])
  assert.ok(growth < HEAP_GROWTH_MAX, `the heap grew by ${(growth * 100).toFixed(1)} %`)
  assert.ok(left < RSS_GROWTH_BYTES_MAX, `the server grew by ${left} bytes in the last round`)
})
