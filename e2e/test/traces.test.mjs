// What people really typed, keystroke by keystroke, through a running server: equal in every client, and after a kill -9.
import assert from 'node:assert/strict'
import { setImmediate as breathe } from 'node:timers/promises'
import { after, afterEach, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { destroyAll, freshRoom, join, open } from '../lib/clients.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { loadTrace, replayConcurrent, typeSequential } from '../lib/traces.mjs'
import { until } from '../lib/wait.mjs'

const NAME = 'text'
const CHUNK_TXNS = 200
const ARRIVE_MS_MAX = 60_000

/** @type {Server} */
let server

before(async () => { server = await Server.start() })
afterEach(reportFailure(() => server))
afterEach(destroyAll)
after(() => server?.stop())

/** Names the first difference: twenty thousand characters in a failure help nobody. @param {string} found @param {string} expected @param {string} who */
function assertText (found, expected, who) {
  if (found === expected) return
  let at = 0
  while (found[at] === expected[at]) at += 1
  assert.fail(`${who}: ${found.length} characters for ${expected.length}, first different at ${at}: ` +
    `${JSON.stringify(found.slice(at, at + 40))} for ${JSON.stringify(expected.slice(at, at + 40))}`)
}

/** Everything that was in the room is on disk when a later write is. @param {string} room */
async function allSaved (room) {
  const witness = await join('hocuspocus-4', server, room).whenSynced(ARRIVE_MS_MAX)
  witness.set('witness', 'saved', true)
  await witness.whenSaved(ARRIVE_MS_MAX)
  witness.destroy()
}

describe('one author', () => {
  const cases = /** @type {[string, string, string][]} */ ([
    ['sveltecomponent', 'y-websocket-3', 'hocuspocus-3'],
    ['sveltecomponent', 'y-sweet', 'y-websocket-4'],
    ['rustcode', 'hocuspocus-4', 'y-sweet']
  ])
  for (const [name, writer_id, reader_id] of cases) {
    test(`${name}, typed by ${writer_id}, read by ${reader_id}`, { timeout: 120_000 }, async () => {
      const trace = await loadTrace(name)
      const room = freshRoom(name)
      const writer = await open(writer_id, server, room)
      const reader = await open(reader_id, server, room)
      for (let from = 0; from < trace.txns.length; from += CHUNK_TXNS) {
        typeSequential(trace, writer, NAME, from, from + CHUNK_TXNS)
        await breathe()
      }
      assertText(writer.text(NAME), trace.endContent, 'the writer')
      await until(() => reader.text(NAME).length === trace.endContent.length && reader.text(NAME) === trace.endContent, ARRIVE_MS_MAX, 'the reader to have all', () => reader.text(NAME).length)
      await writer.whenSaved(ARRIVE_MS_MAX)
      for (const client of [writer, reader]) assert.equal(client.sockets.length, 1, `${client} was cut off: ${JSON.stringify(client.describe().sockets)}`)
      await allSaved(room)
      writer.destroy()
      reader.destroy()
      await server.restart()
      for (const id of [writer_id, reader_id]) {
        const again = await join(id, server, room).whenSynced(ARRIVE_MS_MAX)
        assertText(again.text(NAME), trace.endContent, `${id} after the restart`)
        again.destroy()
      }
    })
  }
})

describe('two authors at the same time', () => {
  for (const ids of [['hocuspocus-4', 'y-websocket-3'], ['y-sweet', 'y-websocket-2']]) {
    test(`friendsforever, typed by ${ids.join(' and ')}`, { timeout: 120_000 }, async () => {
      const trace = await loadTrace('friendsforever')
      const { lanes, text } = replayConcurrent(trace, NAME)
      assertText(text, trace.endContent, 'the trace itself, replayed without a server')
      const room = freshRoom('friends')
      const clients = await Promise.all(lanes.map((_, i) => open(ids[i % ids.length], server, room)))
      await Promise.all(lanes.map((lane, i) => typeLane(lane, lanes, clients[i])))
      const late = await join('hocuspocus-2', server, room).whenSynced(ARRIVE_MS_MAX)
      for (const client of [...clients, late]) {
        await until(() => client.text(NAME) === trace.endContent, ARRIVE_MS_MAX, `${client} to have all`, () => client.text(NAME).length)
      }
      for (const client of clients) assert.equal(client.sockets.length, 1, `${client} was cut off: ${JSON.stringify(client.describe().sockets)}`)
      await allSaved(room)
      for (const client of [...clients, late]) client.destroy()
      await server.restart()
      for (const id of [...ids, 'hocuspocus-3']) {
        const again = await join(id, server, room).whenSynced(ARRIVE_MS_MAX)
        assertText(again.text(NAME), trace.endContent, `${id} after the restart`)
      }
    })
  }
})

/**
 * Sends one lane, each step as soon as the steps that it builds upon have come through the server.
 *
 * @param {import('../lib/traces.mjs').Lane} lane
 * @param {import('../lib/traces.mjs').Lane[]} lanes
 * @param {import('../lib/clients.mjs').Client} client
 */
async function typeLane (lane, lanes, client) {
  const { doc } = client
  const own = lanes.indexOf(lane)
  /** @param {number[]} needs */
  const arrived = (needs) => needs.every((count, i) => i === own || count === 0 ||
    Y.getState(doc.store, lanes[i].clientID) >= lanes[i].steps[count - 1].clock)
  for (const [n, step] of lane.steps.entries()) {
    if (!arrived(step.needs)) {
      const patience = AbortSignal.timeout(ARRIVE_MS_MAX)
      while (!arrived(step.needs)) await nextUpdate(doc, patience, `step ${n} of agent ${lane.agent} waits for ${step.needs}`)
    } else if (n % CHUNK_TXNS === 0) {
      await breathe()
    }
    Y.applyUpdate(doc, step.update, 'trace')
  }
}

/** @param {any} doc @param {AbortSignal} patience @param {string} what */
const nextUpdate = (doc, patience, what) => new Promise((resolve, reject) => {
  const give = () => {
    patience.removeEventListener('abort', fail)
    doc.off('update', give)
    resolve(undefined)
  }
  const fail = () => {
    doc.off('update', give)
    reject(new Error(`nothing arrived for ${ARRIVE_MS_MAX} ms: ${what}`))
  }
  if (patience.aborted) return fail()
  doc.on('update', give)
  patience.addEventListener('abort', fail, { once: true })
})
