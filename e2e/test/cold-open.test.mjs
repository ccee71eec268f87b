/**
 * Holds what a large document costs the first person who opens it after a restart: 260,000 edits of typing, from connect
 * to synced on the loopback, after a polite end and after `kill -9`.
 * (pains 13, 14; the bar of 60 ms holds with ROOMTONE_BAR=1, on a machine that does nothing else.)
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import * as Y from 'yjs'
import { join, open } from '../lib/clients.mjs'
import { Chance, runSeed } from '../lib/fault-random.mjs'
import { RawSocket, readY, yStep1 } from '../lib/raw.mjs'
import { Server } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const EDITS = 260_000
const EDITS_PER_UPDATE = 100
const OPENS = 5
const BAR_MS = 60
const GENEROUS_MS = 2_000
const ROOM = 'large'

/** @type {Server} */
let server
after(() => server?.stop())

/**
 * A person writing: a run of typing, then in half of the cases some of it taken back, and in a third of them the cursor
 * goes elsewhere. That leaves about 9,500 blocks and half the characters, much like the recorded traces of real papers; a
 * cursor that jumped at random would make a document of many more blocks, which nobody has and no client opens fast.
 */
function * typing (text, chance) {
  let cursor = 0
  for (let n = 0; ;) {
    if (chance.oneIn(3)) cursor = chance.between(0, text.length)
    for (let i = chance.between(5, 50); i > 0; i--) {
      text.insert(cursor++, String.fromCharCode(97 + chance.between(0, 25)))
      if (++n === EDITS) return
      yield
    }
    for (let i = chance.oneIn(2) ? chance.between(1, 36) : 0; i > 0 && cursor > 0; i--) {
      text.delete(--cursor, 1)
      if (++n === EDITS) return
      yield
    }
  }
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** From connect to the whole state on this side, nothing decoded. */
async function receive () {
  const began = performance.now()
  const socket = await RawSocket.open(`${server.ws}/yjs/${ROOM}`)
  const received = new Promise((resolve) => {
    socket.ws.on('message', (bytes) => {
      const [{ type, sub, payload }] = readY(new Uint8Array(bytes))
      if (type === 0 && sub === 1) resolve({ ms: performance.now() - began, state: payload })
    })
  })
  socket.send(yStep1())
  const { ms, state } = await received
  socket.close()
  return { ms, bytes: state.length, decoding_ms: decode(state) }
}

/** What Yjs alone takes for that state: no server can take it off a client. */
function decode (state) {
  const began = performance.now()
  const doc = new Y.Doc()
  Y.applyUpdate(doc, state)
  const ms = performance.now() - began
  doc.destroy()
  return ms
}

/** From connect to the client's own "synced": its decoding of the document is part of it. */
async function openReal (expected) {
  const began = performance.now()
  const client = join('y-websocket-3', server, ROOM)
  await new Promise((resolve) => client.provider.on('sync', (yes) => yes && resolve(true)))
  const ms = performance.now() - began
  const text = client.text('t')
  client.destroy()
  assert.ok(text === expected, `the reopened document has ${text.length} characters, not the ${expected.length} that were saved`)
  return ms
}

test(`a document of ${EDITS} edits opens fast after a restart`, { timeout: 230_000 }, async () => {
  server = await Server.start({ open: true })
  const author = await open('hocuspocus-4', server, ROOM)
  const text = author.doc.getText('t')
  const steps = typing(text, new Chance(runSeed('cold-open')))
  const began = performance.now()
  for (let done = false; !done;) {
    author.doc.transact(() => {
      for (let i = 0; i < EDITS_PER_UPDATE && !done; i++) done = steps.next().done
    })
    // The socket gets its turn after every update, as it does between keystrokes.
    await new Promise(setImmediate)
    await until(() => author.socket.ws.bufferedAmount < 1_000_000, 20_000, 'the socket to drain')
  }
  await author.whenSaved(60_000)
  const expected = author.text('t')
  author.destroy()
  console.log(`cold open: ${EDITS} edits in ${EDITS / EDITS_PER_UPDATE} updates written and saved in ${Math.round(performance.now() - began)} ms; ${expected.length} characters remain`)

  for (const signal of ['SIGTERM', 'SIGKILL']) {
    const opens_ms = []
    const received = []
    for (let i = 0; i < OPENS; i++) {
      await server.restart(signal)
      opens_ms.push(await openReal(expected))
      await server.restart(signal)
      received.push(await receive())
    }
    const open_ms = median(opens_ms)
    const received_ms = median(received.map(({ ms }) => ms))
    console.log(
      `cold open median ${open_ms.toFixed(1)} ms after ${signal} (${opens_ms.map((ms) => ms.toFixed(0)).join(', ')});`,
      `the state of ${received[0].bytes} bytes received after ${received_ms.toFixed(1)} ms;`,
      `Yjs alone decodes it in ${median(received.map(({ decoding_ms }) => decoding_ms)).toFixed(1)} ms`
    )
    assert.ok(open_ms < (process.env.ROOMTONE_BAR ? BAR_MS : GENEROUS_MS), `connect to synced took ${open_ms.toFixed(1)} ms after ${signal}`)
  }
})
