// What a document may be called, and that every dialect means the same document by it.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { destroyAll, freshRoom, join, open } from '../lib/clients.mjs'
import { RawSocket, UpgradeRefused, hocus, readHocus, upgrade, yStep1 } from '../lib/raw.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

/** @type {Server} */
let server

before(async () => { server = await Server.start() })
afterEach(reportFailure(() => server))
afterEach(destroyAll)
after(() => server?.stop())

/** @param {string} name @param {number} bytes */
const padTo = (name, bytes) => name + 'x'.repeat(bytes - Buffer.byteLength(name))

const GOOD = [
  'plain',
  'with space',
  ' leading and trailing ',
  'emoji 👩‍👩‍👧‍👦 🏳️‍🌈',
  'combining e\u0301',
  'precomposed \u00e9',
  'שלום עולם',
  'مرحبا',
  '日本語/漢字',
  'slash/in/name',
  'double//slash',
  'trailing/',
  '100%',
  '%2F',
  '%252F',
  '%',
  '%zz',
  'a%00b',
  'dots..and.dots',
  '.hidden',
  'file.tar.gz',
  '...',
  'a+b',
  'a&b=c',
  'question?mark',
  'hash#tag',
  'semi;colon,comma',
  "quote'and\"double",
  'back\\slash',
  '<script>alert(1)</script>',
  "'; DROP TABLE updates; --",
  'UPPER',
  'upper',
  'a:b@c',
  '[brackets]{braces}|pipe^caret`tick~tilde',
  '\u{10FFFF}',
  '__proto__',
  'constructor',
  'null',
  'yjs',
  'd',
  'metrics',
  'readyz'
]

describe('a name reaches the same document from y-websocket and Hocuspocus', () => {
  for (const base of GOOD) {
    test(JSON.stringify(base), async () => {
      const hocuspocus = await open('hocuspocus-4', server, base)
      const ywebsocket = await open('y-websocket-3', server, base)
      hocuspocus.insert('t', 0, `h:${base}`)
      await until(() => ywebsocket.text('t') === `h:${base}`, 2_000, 'y-websocket to see it', () => ywebsocket.text('t'))
      ywebsocket.insert('t', 0, 'y:')
      await until(() => hocuspocus.text('t') === `y:h:${base}`, 2_000, 'Hocuspocus to see it', () => hocuspocus.text('t'))
    })
  }

  test('none of them is another', async () => {
    // No case folding, no Unicode normalisation, no second decoding: each still holds only its own content.
    for (const base of GOOD) {
      const reader = await open('hocuspocus-3', server, base)
      assert.equal(reader.text('t'), `y:h:${base}`)
      reader.destroy()
    }
  })

  test('all of them are there after a restart', async () => {
    const own = await Server.start()
    try {
      for (const base of GOOD) {
        const writer = await open('hocuspocus-4', own, base)
        writer.insert('t', 0, base)
        await writer.whenSaved()
        writer.destroy()
      }
      await own.restart()
      for (const base of GOOD) {
        const reader = await open('y-websocket-3', own, base)
        assert.equal(reader.text('t'), base)
        reader.destroy()
      }
    } finally {
      destroyAll()
      await own.stop()
    }
  })
})

describe('names as y-websocket sends them', () => {
  test('a per cent sign that begins no escape stands for itself', async () => {
    const name = `${freshRoom('discount')} 100%`
    const hocuspocus = await open('hocuspocus-4', server, name)
    // The page did not encode the name; the URL parser leaves the sign as it is.
    const raw = await open('y-websocket-3', server, name, { raw: true })
    raw.insert('t', 0, 'found')
    await until(() => hocuspocus.text('t') === 'found', 2_000, 'the two to meet')
  })

  test('an escaped slash and a slash are the same name', async () => {
    const folder = freshRoom('folder')
    const plain = await open('y-websocket-3', server, `${folder}/file`)
    const escaped = await open('y-websocket-2', server, `${folder}%2Ffile`, { raw: true })
    plain.insert('t', 0, 'found')
    await until(() => escaped.text('t') === 'found', 2_000, 'the two to meet')
  })

  test('raw Unicode in the URL is the same name', async () => {
    const name = freshRoom('žluťoučký-👾')
    const encoded = await open('y-websocket-1', server, name)
    const raw = await open('y-websocket-3', server, name, { raw: true })
    encoded.insert('t', 0, 'found')
    await until(() => raw.text('t') === 'found', 2_000, 'the two to meet')
  })

  test('a query is no part of the name', async () => {
    const name = freshRoom('query')
    const plain = await open('y-websocket-3', server, name)
    const asked = await open('y-websocket-3', server, name, { opts: { params: { a: '1', 'b/c': 'd?e' } } })
    plain.insert('t', 0, 'found')
    await until(() => asked.text('t') === 'found', 2_000, 'the two to meet')
  })
})

describe('the length of a name', () => {
  for (const base of [freshRoom('long'), `${freshRoom('長')}-é`]) {
    test(`512 bytes are allowed, 513 are refused: ${base}`, async () => {
      const longest = padTo(base, 512)
      const hocuspocus = await open('hocuspocus-4', server, longest)
      const ywebsocket = await open('y-websocket-3', server, longest)
      hocuspocus.insert('t', 0, 'fits')
      await until(() => ywebsocket.text('t') === 'fits', 2_000, 'the two to meet')

      const tooLong = padTo(base, 513)
      const { status } = await upgrade(server, `/yjs/${encodeURIComponent(tooLong)}`)
      await refusedName(status, () => `/yjs/${encodeURIComponent(tooLong)}`)
      await refusedByHocuspocus(tooLong)
    })
  }
})

describe('control characters are refused', () => {
  for (const code of [0x01, 0x09, 0x0a, 0x0d, 0x1b, 0x1f, 0x7f]) {
    test(`U+${code.toString(16).padStart(4, '0')}`, async () => {
      const name = `control${String.fromCharCode(code)}character`
      const target = `/yjs/${encodeURIComponent(name)}`
      const { status } = await upgrade(server, target)
      await refusedName(status, () => target)
      await refusedByHocuspocus(name)
    })
  }

  test('U+0000 in the path', async () => {
    const { status } = await upgrade(server, '/yjs/nul%00name')
    await refusedName(status, () => '/yjs/nul%00name')
  })

  test('bytes that are no UTF-8', async () => {
    const { status } = await upgrade(server, '/yjs/%FF%FE')
    await refusedName(status, () => '/yjs/%FF%FE')
  })

  test('an empty name', async () => {
    await refusedByHocuspocus('')
    const { status } = await upgrade(server, '/yjs/')
    await refusedName(status, () => '/yjs/')
  })
})

test('the server lives after all of these', async () => {
  const client = await join('y-websocket-3', server, freshRoom('alive')).whenSynced()
  client.insert('t', 0, 'alive')
  assert.equal((await server.fetch('/readyz')).status, 200)
})

/**
 * Either the upgrade says 400, or the socket is opened and closed again with 4400: both are clear. Never a synced document.
 *
 * @param {number} status
 * @param {() => string} target
 */
async function refusedName (status, target) {
  if (status !== 101) {
    assert.equal(status, 400)
    return
  }
  const socket = await RawSocket.open(server.ws + target())
  socket.send(yStep1())
  const { code } = await socket.closed(2_000)
  assert.equal(code, 4400)
}

/**
 * Over Hocuspocus one bad name must be answered clearly: PermissionDenied for that address, or a close with 4400.
 *
 * @param {string} name
 */
async function refusedByHocuspocus (name) {
  const socket = await RawSocket.open(`${server.ws}/hocuspocus`)
  socket.send(hocus(name, 2, 0, ''))
  socket.send(hocus(name, 0, 0, Uint8Array.of(0)))
  await until(() => socket.close_event !== null || socket.frames.some((f) => readHocus(f).type === 2 && readHocus(f).sub === 1), 2_000,
    'a refusal of the name', () => socket.frames.map((f) => Buffer.from(f).toString('hex')))
  assert.ok(!socket.frames.some((f) => readHocus(f).type === 0), 'nothing was synced')
  if (socket.close_event) assert.equal(socket.close_event.code, 4400)
  socket.close()
}

test('an upgrade that is refused for its name says so in HTTP', async () => {
  await assert.rejects(RawSocket.open(`${server.ws}/d/one/ws/two`), (/** @type {any} */ error) => error instanceof UpgradeRefused && error.status === 400)
})
