// Editing sessions of real yjs clients, and the question whether a server's document is theirs.
//
// `node sessions.mjs make <seed> <count>` writes sessions: `u32 updates`, so many `u32 length, bytes`, and what the
// document is at the end as JSON, with its length in front. `node sessions.mjs check` reads `u32 length, snapshot` and
// `u32 length, JSON` until the end, and writes a line for each: empty, or what differs. All numbers little endian.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = process.env.ROOMTONE_YJS ?? import.meta.dirname
const require = createRequire(join(folder, 'package.json'))
const Y = await import(pathToFileURL(require.resolve('yjs')).href)

// yjs warns of what is meant here.
console.error = () => {}
console.warn = () => {}

/** Numbers from a seed (mulberry32). */
const generator = seed => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let value = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
  return ((value ^ (value >>> 14)) >>> 0) / 4294967296
}

/** Sorted, and without BigInt: the engine writes one that is a number without loss as a number. Known, no difference. */
const plain = (_, value) => {
  if (typeof value === 'bigint') return Number(value)
  const isMap = value !== null && typeof value === 'object' && !Array.isArray(value)
  return isMap ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value
}

/** Everything in a document, as JSON. */
const describe = doc =>
  JSON.stringify({
    text: doc.getText('t').toString(),
    map: doc.getMap('m').toJSON(),
    array: doc.getArray('a').toJSON(),
    // Values that the two engines write differently as JSON.
    others: doc.getArray('b').toJSON().map(value => (value instanceof Uint8Array ? [...value] : value)),
    delta: doc.getText('t').toDelta().map(part => [part.attributes ?? {}, typeof part.insert === 'string' ? part.insert : 1]),
    xml: doc.getXmlFragment('x').toString(),
    subdocuments: [...doc.getSubdocGuids()].sort(),
  }, plain)

/** One edit of one client. */
const edit = (doc, undo, random) => {
  const below = end => Math.floor(random() * end)
  const pick = list => list[below(list.length)]
  const [text, map, array, others, xml] = [doc.getText('t'), doc.getMap('m'), doc.getArray('a'), doc.getArray('b'), doc.getXmlFragment('x')]
  const at = below(text.length + 1)
  const range = () => [below(text.length), 1 + below(4)]
  const clipped = ([from, count]) => [from, Math.min(count, text.length - from)]
  const edits = [
    () => text.insert(at, pick(['a', 'hello ', 'Grüße', '漢字', '\n', '0123456789'])),
    () => text.insert(at, 'x'),
    () => text.insert(at, 'bold', { bold: true }),
    () => text.length > 0 && text.delete(...clipped(range())),
    () => text.length > 0 && text.format(...clipped(range()), pick([{ bold: true }, { bold: null }, { link: { href: 'x' } }])),
    () => text.insertEmbed(at, pick([{ image: 'a.png' }, { n: [1, null, 'x'] }])),
    () => text.insertEmbed(at, new Y.Map([['k', 1]])),
    () => text.applyDelta([{ retain: at }, { insert: 'delta', attributes: { italic: true } }]),
    () => map.set(pick(['k', 'l', 'm']), pick([1, -7, 2.5, 'text', true, null, { a: [1, { b: null }] }, [1, 2], '\u{1f600}'])),
    () => map.set('big', 2n ** 62n - BigInt(below(9))),
    () => map.set(pick(['k', 'l']), new Y.Map([['inner', new Y.Text('nested')]])),
    () => map.delete(pick(['k', 'l', 'm'])),
    () => { const inner = map.get('k'); if (inner instanceof Y.Map) inner.set('n', below(9)) },
    () => map.set('sub', new Y.Doc({ guid: `g${below(5)}`, autoLoad: below(2) === 0, meta: below(2) ? { a: 1 } : undefined, gc: below(2) === 0 })),
    () => array.insert(below(array.length + 1), pick([[1, 2, 3], ['a'], [null, false], [new Y.Array()], [{}]])),
    () => array.length > 0 && array.delete(below(array.length), 1),
    () => others.push([pick([new Uint8Array([1, 2, 255]), { n: 12345678901234n, m: [-5n] }, { u: undefined }, 1e300, -0, 2 ** 31, 2 ** 40, -(2 ** 53) + 1])]),
    () => {
      const element = new Y.XmlElement(pick(['p', 'h1']))
      xml.insert(below(xml.length + 1), [element])
      element.setAttribute('class', 'c')
      element.insert(0, [new Y.XmlText('words'), new Y.XmlElement('br')])
    },
    () => { const first = xml.length > 0 && xml.get(0); if (first instanceof Y.XmlElement && first.length > 0) first.get(0).insert?.(0, random() < 0.5 ? 'more' : [new Y.XmlText('t')]) },
    () => xml.length > 0 && xml.delete(below(xml.length), 1),
    () => undo.undo(),
    () => undo.undo(),
    () => undo.redo(),
  ]
  doc.transact(() => {}, 'nothing')
  // Undo is a transaction of its own; several edits may share one.
  const first = below(edits.length)
  if (first >= edits.length - 3) edits[first]()
  else doc.transact(() => { for (let left = 1 + below(3), next = first; left > 0; left--, next = below(edits.length - 3)) edits[next]() })
}

/** What three clients send in one session. */
const session = seed => {
  const random = generator(seed)
  const below = end => Math.floor(random() * end)
  const sent = []
  const clients = [0, 1, 2].map(index => {
    const doc = new Y.Doc({ gc: index !== 2 })
    // Not drawn, so that a seed is a session.
    doc.clientID = index === 0 ? 7 : 1000003 * (seed + index)
    const undo = new Y.UndoManager([doc.getText('t'), doc.getMap('m'), doc.getArray('a')], { captureTimeout: 0 })
    const client = { doc, undo, seen: 0, held: [] }
    doc.on('update', (update, origin) => { if (origin !== 'remote') client.held.push(update) })
    return client
  })
  const flush = client => {
    const { held } = client
    client.held = []
    if (held.length === 0) return
    // Some providers merge what they hold back.
    if (below(3) === 0) sent.push(Y.mergeUpdates(held))
    else sent.push(...held)
  }
  const listen = client => {
    const news = sent.slice(client.seen)
    client.seen = sent.length
    for (const update of news) Y.applyUpdate(client.doc, update, 'remote')
  }
  for (let step = 0; step < 40; step++) {
    const client = clients[below(3)]
    edit(client.doc, client.undo, random)
    if (below(2) === 0) flush(client)
    if (below(3) === 0) { flush(client); listen(client) }
    if (below(12) === 0) {
      // Back from a dead connection: everything that the others lack, in one update.
      flush(client)
      const other = clients[below(3)]
      const vector = Y.encodeStateVector(other.doc)
      const whole = Y.encodeStateAsUpdate(client.doc)
      sent.push(below(2) === 0 ? Y.diffUpdate(whole, vector) : Y.encodeStateAsUpdate(client.doc, vector))
    }
  }
  clients.forEach(flush)
  // What hearing of each other makes clients do (formats that show nowhere are deleted) is sent as well.
  for (let round = 0; round < 3; round++) clients.forEach(client => { listen(client); flush(client) })
  const end = new Y.Doc()
  for (const update of sent) Y.applyUpdate(end, update)
  return { sent, description: describe(end) }
}

const prefixed = bytes => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

const [mode, seed, count] = process.argv.slice(2)
if (mode === 'make') {
  for (let index = 0; index < Number(count); index++) {
    const { sent, description } = session(Number(seed) + index)
    const updates = Buffer.alloc(4)
    updates.writeUInt32LE(sent.length)
    process.stdout.write(Buffer.concat([updates, ...sent.map(prefixed), prefixed(Buffer.from(description))]))
  }
} else {
  const input = readFileSync(0)
  let at = 0
  const bytes = () => {
    const length = input.readUInt32LE(at)
    at += 4 + length
    return new Uint8Array(input.buffer, input.byteOffset + at - length, length)
  }
  const lines = []
  while (at < input.length) {
    const snapshot = bytes()
    const expected = Buffer.from(bytes()).toString()
    const doc = new Y.Doc()
    try {
      Y.applyUpdate(doc, snapshot)
      const found = describe(doc)
      lines.push(found === expected ? '' : JSON.stringify({ expected, found }))
    } catch (error) {
      lines.push(JSON.stringify({ thrown: String(error) }))
    }
  }
  process.stdout.write(Buffer.from(lines.map(line => `${line}\n`).join('')))
}
