// Reads cases from standard input, lets yjs load each, and writes one line of JSON for each.
//
// A case is `u32 broadcasts`, then so many `u32 length, bytes` updates in order, then one snapshot the same way, then
// `u32 alone` and so many updates that are each loaded into an empty document. All numbers are little endian.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = process.env.ROOMTONE_YJS ?? import.meta.dirname
const require = createRequire(join(folder, 'package.json'))
const Y = await import(pathToFileURL(require.resolve('yjs')).href)
// yjs reports a second integration of a subdocument and the like there; what counts here is what it throws.
console.error = () => {}
console.warn = () => {}

const input = readFileSync(0)
let at = 0
const number = () => {
  const value = input.readUInt32LE(at)
  at += 4
  return value
}
const bytes = () => {
  const count = number()
  const value = new Uint8Array(input.buffer, input.byteOffset + at, count)
  at += count
  return value
}
const list = () => Array.from({ length: number() }, bytes)

/** Everything an application would do first: read all of it, and hand it on. */
const read = doc => {
  const texts = {}
  for (const name of [...doc.share.keys()].sort()) {
    const text = doc.getText(name)
    texts[name] = text.toString()
    text.toDelta()
    text.toJSON()
    for (const [key, item] of text._map) {
      if (!item.deleted) texts[`${name}/${key}`] = item.content.constructor.name
    }
  }
  Y.encodeStateAsUpdate(doc)
  return texts
}
const load = updates => {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  const complete = doc.store.pendingStructs === null && doc.store.pendingDs === null
  return { texts: read(doc), complete }
}

const lines = []
while (at < input.length) {
  const broadcasts = list()
  const snapshot = bytes()
  const alone = list()
  const answer = {}
  const step = (name, work) => {
    try {
      answer[name] = work()
    } catch (error) {
      answer.thrown ??= `${name}: ${error.stack?.split('\n').slice(0, 4).join(' | ')}`
    }
  }
  step('followed', () => load(broadcasts))
  step('joined', () => load([snapshot]))
  alone.forEach((update, index) => step(`alone${index}`, () => { load([update]); return true }))
  lines.push(JSON.stringify(answer))
}
process.stdout.write(lines.map(line => `${line}\n`).join(''))
