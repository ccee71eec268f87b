/**
 * A crowd in one room, all cursors moving 20 times a second: everybody sees everybody move, and nobody is sent more frames than a
 * screen can use. A few are real rooms of the SDK, the rest the same dialect without it (lib/sdk-raw.mjs).
 *
 * 50 people in CI, where how often is only told; 200 with ROOMTONE_BAR=1, held to the bars: every cursor at least 10 times a second, at most
 * 25 awareness frames a second to each. ROOMTONE_PRESENCE_PEOPLE.
 */
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { freshRoom } from '../lib/clients.mjs'
import { spread } from '../lib/fault-rounds.mjs'
import { RawPerson } from '../lib/sdk-raw.mjs'
import { destroySdk, sdkClient, sdkPresence, synced } from '../lib/sdk.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const IS_BAR = Boolean(process.env.ROOMTONE_BAR)
const PEOPLE = Number(process.env.ROOMTONE_PRESENCE_PEOPLE ?? (IS_BAR ? 200 : 50))
const ROOMS_OF_SDK = 3
const MOVE_EVERY_MS = 50
const TICK_MS = 5
const MEASURED_MS = IS_BAR ? 10_000 : 4_000
const PATIENCE_MS = 60_000
const SEEN_PER_S_MIN = 10
/** In CI the pace of so few people; each move by itself would be a thousand a second. */
const FRAMES_PER_S_MAX = IS_BAR ? 25 : 250

/** @type {Server} */
let server
/** @type {RawPerson[]} */
const crowd = []
afterEach(reportFailure(() => server))
after(async () => {
  destroySdk()
  for (const person of crowd) person.close()
  await server?.stop()
})

/** Awareness frames that come in on a socket of the SDK, counted beside it. @param {import('ws').WebSocket} socket @param {{ frames: number }} counter */
const countFrames = (socket, counter) => socket.on('message', (data) => {
  const bytes = new Uint8Array(/** @type {Buffer} */ (data))
  // Channel 1, type 48: what else comes in these seconds is a heartbeat.
  if (bytes[0] === 1 && bytes[1] === 48) counter.frames++
})

/** Real rooms, each with its presence. @param {string} name */
async function openRooms (name) {
  return await Promise.all(Array.from({ length: ROOMS_OF_SDK }, async (_, n) => {
    const sample = { frames: 0, seen: /** @type {Map<number, number>} */ (new Map()) }
    const client = sdkClient(server, { onSocket: (socket) => countFrames(socket, sample) })
    const room = await synced(client.open(name), PATIENCE_MS)
    room.awareness.on('change', (/** @type {{ added: number[], updated: number[] }} */ { added, updated }) => {
      for (const id of [...added, ...updated]) sample.seen.set(id, (sample.seen.get(id) ?? 0) + 1)
    })
    const people = sdkPresence.presence(room, { initial: { name: `sdk ${n}` } })
    return Object.assign(sample, { client, room, people, id: room.doc.clientID })
  }))
}

/** All cursors move, each at its own moments. @param {((at: number) => void)[]} movers */
function move (movers) {
  const began = performance.now()
  const next = movers.map((_, n) => began + (n / movers.length) * MOVE_EVERY_MS)
  let late_ms = 0
  const timer = setInterval(() => {
    const now = performance.now()
    movers.forEach((mover, n) => {
      if (now < next[n]) return
      mover(now)
      late_ms = Math.max(late_ms, now - next[n])
      // What a busy machine missed is not made up for in a burst.
      next[n] = Math.max(next[n] + MOVE_EVERY_MS, now)
    })
  }, TICK_MS)
  return () => {
    clearInterval(timer)
    return late_ms
  }
}

test(`${PEOPLE} people in one room with cursors at 20 Hz`, { timeout: 180_000 }, async () => {
  server = await Server.start()
  const name = freshRoom('crowd')
  const rooms = await openRooms(name)
  crowd.push(...await Promise.all(Array.from({ length: PEOPLE - ROOMS_OF_SDK }, (_, n) => RawPerson.open(server, name, 1_000 + n))))
  const ids = [...rooms.map(({ id }) => id), ...crowd.map(({ id }) => id)]
  crowd.forEach((person) => person.show({ name: `${person.id}`, cursor: { x: 0, y: 0 } }))
  await until(() => rooms.every(({ people }) => people.others.length === PEOPLE - 1), PATIENCE_MS, 'everybody to see everybody', () => rooms.map(({ people }) => people.others.length))

  const cursor = (/** @type {number} */ at) => ({ x: Math.round(at) % 1_920, y: Math.round(at * 7) % 1_080 })
  let moves = 0
  const stop = move([
    ...rooms.map(({ people }) => (/** @type {number} */ at) => { moves++; people.update({ cursor: cursor(at) }) }),
    ...crowd.map((person) => (/** @type {number} */ at) => { moves++; person.show({ name: `${person.id}`, cursor: cursor(at) }) })
  ])
  let began = performance.now()
  let late_ms = 0
  let elapsed_s = 0
  const cpu_s = -(await server.cpuSeconds())
  try {
    // A second to get going, and then it is measured.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    moves = 0
    for (const person of crowd) person.reset()
    for (const sample of rooms) {
      sample.frames = 0
      sample.seen.clear()
    }
    began = performance.now()
    await new Promise((resolve) => setTimeout(resolve, MEASURED_MS))
    await until(() => rooms.every(({ id, seen }) => ids.every((other) => other === id || seen.has(other))), PATIENCE_MS, 'everybody to move for everybody')
    elapsed_s = (performance.now() - began) / 1_000
  } finally {
    late_ms = stop()
  }
  const raw = crowd.map((person) => ({ id: person.id, frames: person.frames / elapsed_s, seen: person.counts() }))
  const real = rooms.map(({ id, frames, seen }) => ({ id, frames: frames / elapsed_s, seen }))
  const rarest = [...raw, ...real].map(({ id, seen }) => Math.min(...ids.filter((other) => other !== id).map((other) => (seen.get(other) ?? 0) / elapsed_s)))
  const frames = spread([...raw, ...real].map((each) => each.frames))
  const moved = moves / elapsed_s / PEOPLE
  const cpu = (cpu_s + await server.cpuSeconds()) / (elapsed_s + 1)
  console.log(
    `sdk-presence: ${PEOPLE} people, each moved ${moved.toFixed(1)} times a second (the latest ${Math.round(late_ms)} ms late); rarest cursor seen by anybody`,
    `${Math.min(...rarest).toFixed(1)} times a second (p50 ${spread(rarest).p50}); frames a second to each: p50 ${frames.p50}, max ${frames.max};`,
    `in the SDK's rooms ${real.map((each) => each.frames.toFixed(1)).join(', ')}; server ${cpu.toFixed(2)} cores`
  )

  // Whatever the machine does: the last position is what everybody ends with.
  crowd.forEach((person) => person.show({ name: `${person.id}`, cursor: { x: -1, y: person.id } }))
  rooms.forEach(({ people }, n) => people.update({ cursor: { x: -1, y: n } }))
  await until(() => rooms.every(({ people }) => people.others.every((/** @type {any} */ { state }) => state.cursor?.x === -1)), PATIENCE_MS, 'the last positions',
    () => rooms.map(({ people }) => people.others.filter((/** @type {any} */ { state }) => state.cursor?.x !== -1).length))
  for (const { people, client } of rooms) {
    assert.equal(people.others.length, PEOPLE - 1, 'nobody was lost in the crowd')
    assert.deepEqual(client.errors, [])
  }
  assert.ok(frames.max <= FRAMES_PER_S_MAX, `${frames.max} awareness frames a second to one client`)
  if (IS_BAR) assert.ok(Math.min(...rarest) >= SEEN_PER_S_MIN, `a cursor was seen only ${Math.min(...rarest)} times a second`)
})
