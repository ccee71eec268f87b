/**
 * Deletes a document from the SQLite store of a server that does not run, as `Store::delete` does: its content goes, and its name
 * begins the next epoch. The server has no request for it yet.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'

/** What a row keeps in place of a time that it does not have. */
const NO_TIME = -(2n ** 63n)

/** @param {Uint8Array} bytes */
function crc32 (bytes) {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** As persistence/src/rows/checksum.rs. @param {bigint[]} numbers @param {string[]} texts */
function checksum (numbers, texts) {
  const long = (/** @type {bigint} */ number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(number)
    return bytes
  }
  return crc32(Buffer.concat([...numbers.map(long), ...texts.flatMap((text) => [long(BigInt(Buffer.byteLength(text))), Buffer.from(text)])]))
}

/** @param {import('./server.mjs').Server} server @param {string} name of plain letters */
export function deleteDocument (server, name) {
  assert.ok(!server.isRunning(), 'a running server knows the document by heart')
  assert.match(name, /^[\w-]+$/)
  const file = path.join(server.dir, 'roomtone.db')
  const sql = (/** @type {string} */ text) => execFileSync('sqlite3', ['-bail', file, text], { encoding: 'utf8' }).trim()
  const row = sql(`SELECT id, epoch, tenant FROM documents WHERE name = '${name}'`)
  assert.match(row, /^\d+\|\d+\|\w*$/, `${name} is not in the store`)
  const [id, epoch, tenant] = row.split('|')
  const next = BigInt(epoch) + 1n
  const emptied = ['log', 'snapshots', 'archive', 'quarantine'].map((table) => `DELETE FROM ${table} WHERE document_id = ${id};`)
  const crc = checksum([BigInt(id), next, 0n, NO_TIME], [tenant, name])
  sql(`BEGIN; ${emptied.join(' ')} UPDATE documents SET epoch = ${next}, generation = 0, created_ms = NULL, crc32 = ${crc} WHERE id = ${id}; COMMIT;`)
}
