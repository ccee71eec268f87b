// A node whose large snapshots are files: a large document over several kill -9, compactions and deletions of old ones in between.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, afterEach, test } from 'node:test'
import { destroyAll, freshRoom, join } from '../lib/clients.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const CHUNK_BYTES = 64 * 1_024
const CHUNKS_PER_ROUND = 24 // 1.5 MiB: a compaction is due after a quarter of the document, and 512 KiB at the least
const ROUNDS = 4
const ARRIVE_MS_MAX = 20_000

/** @type {Server} */
let server
/** @type {string} */
let folder
afterEach(reportFailure(() => server))
afterEach(destroyAll)
after(async () => {
  await server?.stop()
  if (folder) await rm(folder, { recursive: true, force: true })
})

/** @param {number} seed Text that does not compress to nothing, the same on every run. */
const chunk = (seed) => {
  let text = ''
  for (let i = 0; text.length < CHUNK_BYTES; i++) text += createHash('sha512').update(`${seed}.${i}`).digest('base64')
  return text.slice(0, CHUNK_BYTES)
}

/** @returns {Promise<string[]>} */
const objects = async () => (await readdir(folder, { recursive: true })).filter((name) => /sha256\/..\/[0-9a-f]{64}-\d+$/.test(name))
/** @param {string} line */
const metric = async (line) => {
  const answer = await fetch(`${server.http}/metrics`)
  const found = (await answer.text()).split('\n').find((each) => each.startsWith(`${line} `))
  return Number(found?.split(' ').at(-1) ?? 0)
}

test('a large document in blobs over kill -9', { timeout: 120_000 }, async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'roomtone-blobs-'))
  // Every replaced snapshot is deleted within seconds, so that it would be missed if anybody still needed it.
  server = await Server.start({ args: ['--blobs', `file://${folder}/blobs`, '--limit', 'blob_grace_ms=0,room_idle_ms=100'] })
  const room = freshRoom('blobs')
  let expected = ''
  for (let round = 0; round < ROUNDS; round++) {
    const writer = await join('hocuspocus-4', server, room).whenSynced(ARRIVE_MS_MAX)
    assert.equal(writer.text('t'), expected, `round ${round}`)
    for (let n = 0; n < CHUNKS_PER_ROUND; n++) {
      const text = chunk(round * CHUNKS_PER_ROUND + n)
      writer.insert('t', expected.length, text)
      expected += text
      // One batch each: a compaction is asked for between two of them.
      await writer.whenSaved(ARRIVE_MS_MAX)
    }
    await until(async () => await metric('roomtone_blob_seconds_count{operation="put",outcome="ok"}') > 1, 10_000, 'a snapshot to become a blob')
    assert.ok((await objects()).length > 0)
    writer.destroy()
    await server.restart()
  }
  const reader = await join('y-websocket-3', server, room).whenSynced(ARRIVE_MS_MAX)
  assert.equal(reader.text('t'), expected)
  assert.ok(await metric('roomtone_blob_seconds_count{operation="get",outcome="ok"}') > 0)
  assert.equal(await metric('roomtone_damage_total'), 0)
  reader.destroy()
  // The newest and its fallback are left, when nobody compacts any more.
  await until(async () => (await objects()).length <= 2, 30_000, 'what was replaced to be deleted', objects)
})
