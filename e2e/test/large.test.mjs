// A document of 20 MB through every dialect: written by one, read by another, and there again after a kill -9.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, afterEach, before, describe, test } from 'node:test'
import { setImmediate as breathe } from 'node:timers/promises'
import { DIALECT_KINDS, destroyAll, freshRoom, join } from '../lib/clients.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const CHUNK_BYTES = 64 * 1_024
const CHUNKS = 320 // 20 MiB
const ARRIVE_MS_MAX = 20_000

/** @type {Server} */
let server

before(async () => { server = await Server.start() })
afterEach(reportFailure(() => server))
afterEach(destroyAll)
after(() => server?.stop())

/**
 * Text that does not compress to nothing, the same on every run. Made beforehand: a client that computes hears nobody.
 *
 * @type {string[]}
 */
const chunks = Array.from({ length: CHUNKS }, (_, seed) => {
  let text = ''
  for (let i = 0; text.length < CHUNK_BYTES; i++) text += createHash('sha512').update(`${seed}.${i}`).digest('base64')
  return text.slice(0, CHUNK_BYTES)
})

/** A client that may take its time to arrive. @param {string} id @param {string} room */
const arrive = (id, room) => join(id, server, room).whenSynced(ARRIVE_MS_MAX)

/** @param {import('../lib/clients.mjs').Client} client */
const assertOneSocket = (client) => assert.equal(client.sockets.length, 1, `${client} was cut off: ${JSON.stringify(client.describe().sockets)}`)

/** @param {string} text */
const digest = (text) => createHash('sha256').update(text).digest('hex')

describe('20 MB', () => {
  for (const [i, id] of DIALECT_KINDS.entries()) {
    const reader_id = DIALECT_KINDS[(i + 1) % DIALECT_KINDS.length]
    test(`written in pieces by ${id}, read by ${reader_id}, after a kill -9 by ${id} too`, { timeout: 120_000 }, async () => {
      // y-sweet#217: a 1.5 MB update kills the socket. hocuspocus#1010: 80 MB both ways on each open.
      const room = freshRoom('large')
      const writer = await arrive(id, room)
      for (let n = 0; n < CHUNKS; n++) {
        writer.insert('t', n * CHUNK_BYTES, chunks[n])
        // Lets it hear the answers: y-sweet gives up a connection that it has not heard for 3 s.
        if (n % 8 === 7) await breathe()
      }
      const expected = digest(writer.text('t'))
      const reader = await arrive(reader_id, room)
      await until(() => reader.text('t').length === CHUNKS * CHUNK_BYTES, ARRIVE_MS_MAX, 'the document to arrive', () => reader.text('t').length)
      assert.equal(digest(reader.text('t')), expected)
      await writer.whenSaved(ARRIVE_MS_MAX)
      assertOneSocket(writer)
      assertOneSocket(reader)
      if (!writer.kind.reportsSaved) {
        // What came after it and is saved proves that it is saved.
        const witness = await arrive('hocuspocus-4', room)
        witness.set('m', 'seen', true)
        await witness.whenSaved(ARRIVE_MS_MAX)
        witness.destroy()
      }
      writer.destroy()
      reader.destroy()

      await server.restart()
      const again = await arrive(id, room)
      assert.equal(digest(again.text('t')), expected)
      assertOneSocket(again)
      // The one who has it all is not sent it all again.
      again.dropSocket()
      await until(() => again.sockets.length === 2 && again.synced(), 10_000, 'the return')
      await until(() => again.saved() !== false, 5_000, 'the state after the return')
      assert.ok(again.sockets[1].bytesIn < 100_000, `${again.sockets[1].bytesIn} bytes on a return with nothing new`)
    })
  }

  test('written offline and sent as one message on return', { timeout: 120_000 }, async () => {
    const room = freshRoom('offline')
    for (const id of DIALECT_KINDS) {
      const writer = await arrive(id, room)
      await writer.whenSaved()
      writer.disconnect()
      await writer.whenDisconnected()
      // Three dialects in one room: 6.7 MB each make 20 MB.
      for (let n = 0; n < CHUNKS / 3; n++) writer.insert(id, writer.text(id).length, chunks[n])
      const expected = digest(writer.text(id))
      writer.connect()
      const reader = await arrive('hocuspocus-3', room)
      await until(() => reader.text(id).length === writer.text(id).length, ARRIVE_MS_MAX, `the text of ${id} to arrive`, () => reader.text(id).length)
      assert.equal(digest(reader.text(id)), expected)
      await writer.whenSaved(ARRIVE_MS_MAX)
      writer.destroy()
      reader.destroy()
    }
  })
})
