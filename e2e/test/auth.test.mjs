// Who is let in: tokens good and crooked, rooms, origins, and what a reader may not do whatever frame it picks.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, describe, test } from 'node:test'
import { DIALECT_KINDS, KINDS, destroyAll, freshRoom, join, open } from '../lib/clients.mjs'
import { base64url, hmac, mint, mintRaw, nowSeconds } from '../lib/jwt.mjs'
import { RawSocket, UpgradeRefused, hocus, readHocus, updateWith, upgrade, yStep1, yStep2, yUpdate } from '../lib/raw.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const SECRET = 'auth-secret-that-is-long-enough-for-hs256'
const ORIGIN = 'https://app.example.com'
/** Rides in every token of this file, good and bad, and must be found nowhere that the server writes. */
const CANARY = `canary${randomBytes(12).toString('hex')}`

/** @param {Record<string, unknown>} [claims] */
const token = (claims = {}) => mint({ jti: CANARY, ...claims }, SECRET)

/** @type {Server} */
let guarded
/** @type {Server} */
let openToAll
/** @type {Server} */
let listed

before(async () => {
  [guarded, openToAll, listed] = await Promise.all([
    Server.start({ jwtSecret: SECRET }),
    Server.start(),
    Server.start({ jwtSecret: SECRET, allowOrigins: [ORIGIN, 'http://localhost:3000'] })
  ])
})
afterEach(reportFailure(() => guarded))
afterEach(destroyAll)
after(async () => {
  for (const server of [guarded, openToAll, listed]) await server?.stop()
})

/**
 * The HTTP status of the y-websocket upgrade with this token.
 *
 * @param {string | undefined} given
 * @param {string} [room]
 */
const statusOf = async (given, room = 'room', at = guarded) =>
  (await upgrade(at, `/yjs/${room}${given === undefined ? '' : `?token=${encodeURIComponent(given)}`}`)).status

/** What Hocuspocus is answered: 'in' or 'denied'. @param {string} given @param {string} [room] */
const hocuspocusAnswer = async (given, room = 'room', at = guarded) => {
  const socket = await RawSocket.open(`${at.ws}/hocuspocus`)
  socket.send(hocus(room, 2, 0, given))
  try {
    await until(() => socket.close_event !== null || socket.frames.map(readHocus).some((m) => m.type === 2 && m.sub !== 0), 3_000, 'an answer')
    if (socket.close_event) return 'denied'
    return socket.frames.map(readHocus).find((m) => m.type === 2 && m.sub !== 0)?.sub === 2 ? 'in' : 'denied'
  } finally {
    socket.drop()
  }
}

/** The y-sweet socket. @param {string} given @param {string} [room] */
const ysweetStatus = async (given, room = 'room', at = guarded) =>
  (await upgrade(at, `/d/${room}/ws/${room}?token=${encodeURIComponent(given)}`)).status

describe('a good token', () => {
  for (const { id } of KINDS) {
    test(`lets ${id} in`, async () => {
      const client = await open(id, guarded, freshRoom('good'), { token: token() })
      client.insert('t', 0, 'in')
      await client.whenSaved()
    })
  }

  test('may name its rooms by pattern, or by a list of patterns', async () => {
    for (const [pattern, room, expected] of /** @type {[unknown, string, number][]} */ ([
      ['*', 'anything', 101],
      ['notes-*', 'notes-1', 101],
      ['notes-*', 'other-1', 403],
      ['notes-*', 'my-notes-1', 403],
      ['exact', 'exact', 101],
      ['exact', 'exactly', 403],
      ['exact', 'EXACT', 403],
      [['a', 'b-*'], 'a', 101],
      [['a', 'b-*'], 'b-2', 101],
      [['a', 'b-*'], 'c', 403],
      ['a.c', 'abc', 403],
      ['*-end', 'the-end', 101],
      ['*-end', 'the-end-not', 403],
      ['', 'anything', 403],
      [[], 'anything', 403]
    ])) {
      const given = token({ room: pattern })
      assert.equal(await statusOf(given, room), expected, `${JSON.stringify(pattern)} for ${room}`)
      assert.equal(await hocuspocusAnswer(given, room), expected === 101 ? 'in' : 'denied', `Hocuspocus: ${JSON.stringify(pattern)} for ${room}`)
      const ysweet = await ysweetStatus(given, room.replace('.', '_'))
      assert.equal(ysweet, expected, `y-sweet: ${JSON.stringify(pattern)} for ${room}`)
    }
  })

  test('is valid for 30 s beyond its time, for clocks that differ', async () => {
    assert.equal(await statusOf(token({ exp: nowSeconds() - 15 })), 101)
  })
})

/**
 * Thirty and more tokens that must not pass. threats.md, row 45.
 *
 * @returns {[string, string][]}
 */
function crookedTokens () {
  const now = nowSeconds()
  const good = token()
  const [header, payload, signature] = good.split('.')
  /** @param {Record<string, unknown>} h @param {string} sig */
  const unsigned = (h, sig = '') => `${base64url(JSON.stringify(h))}.${payload}.${sig}`
  const claimsText = JSON.stringify({ sub: 'u', room: '*', role: 'owner', exp: now + 3_600, jti: CANARY })
  const flipped = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)
  const rsaPublicKey = '-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL0\n-----END PUBLIC KEY-----\n'
  return [
    ['empty', ''],
    ['one word', 'rubbish'],
    ['two dots', '..'],
    ['three words', 'a.b.c'],
    ['alg none', unsigned({ alg: 'none', typ: 'JWT' })],
    ['alg None', unsigned({ alg: 'None', typ: 'JWT' })],
    ['alg NONE with the good signature', unsigned({ alg: 'NONE' }, signature)],
    ['no alg', unsigned({ typ: 'JWT' }, signature)],
    ['alg empty', unsigned({ alg: '' }, signature)],
    ['alg HS384, signed so', mint({ jti: CANARY }, SECRET, { header: { alg: 'HS384' }, hash: 'sha384' })],
    ['alg HS512, signed so', mint({ jti: CANARY }, SECRET, { header: { alg: 'HS512' }, hash: 'sha512' })],
    ['alg RS256', unsigned({ alg: 'RS256' }, signature)],
    ['alg ES256', unsigned({ alg: 'ES256' }, base64url(Buffer.alloc(64)))],
    ['alg ES256, a signature of zeroes', `${base64url('{"alg":"ES256"}')}.${payload}.${base64url(Buffer.alloc(64))}`],
    ['signed with another secret', mint({ jti: CANARY }, 'another secret')],
    ['signed with an empty secret', mint({ jti: CANARY }, '')],
    ['HS256 signed with an RSA public key', mint({ jti: CANARY }, rsaPublicKey)],
    ['signature missing', `${header}.${payload}.`],
    ['signature cut', good.slice(0, -4)],
    ['signature flipped', `${header}.${payload}.${flipped}`],
    ['payload changed', `${header}.${base64url(claimsText)}.${signature}`],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${good}.${signature}`],
    ['expired by 31 s and a little', token({ exp: now - 35 })],
    ['expired long ago', token({ exp: 1 })],
    ['exp missing', token({ exp: undefined })],
    ['exp a string', token({ exp: '9999999999' })],
    ['exp null', token({ exp: null })],
    ['exp a list', token({ exp: [9_999_999_999] })],
    ['exp negative', token({ exp: -1 })],
    ['nbf in the future', token({ nbf: now + 3_600 })],
    ['nbf a string', token({ nbf: '9999999999' })],
    ['role unknown', token({ role: 'superuser' })],
    ['role a list', token({ role: ['owner'] })],
    ['room a number', token({ room: 7 })],
    ['room an object', token({ room: { $ne: '' } })],
    ['room missing', token({ room: undefined })],
    ['sub a number', token({ sub: 7 })],
    ['duplicate claims', mintRaw('{"alg":"HS256"}', `{"sub":"u","room":"none","room":"*","role":"viewer","role":"owner","exp":1,"exp":${now + 3_600},"jti":"${CANARY}"}`, SECRET)],
    ['payload a list', mintRaw('{"alg":"HS256"}', '[]', SECRET)],
    ['payload a string', mintRaw('{"alg":"HS256"}', '"owner"', SECRET)],
    ['payload no JSON', mintRaw('{"alg":"HS256"}', '{', SECRET)],
    ['payload nested 10,000 deep', mintRaw('{"alg":"HS256"}', '['.repeat(10_000), SECRET)],
    ['header no JSON', mintRaw('{', claimsText, SECRET)],
    ['kid a path, another key', mint({ jti: CANARY }, '', { header: { kid: '../../../../dev/null' } })],
    ['jku header, another key', mint({ jti: CANARY }, 'x', { header: { jku: 'http://127.0.0.1:1/keys' } })],
    ['x5u header, another key', mint({ jti: CANARY }, 'x', { header: { x5u: 'http://127.0.0.1:1/cert' } })],
    ['jwk header with its own key', mint({ jti: CANARY }, 'x', { header: { jwk: { kty: 'oct', k: base64url('x') } } })],
    ['crit header unknown', mint({ jti: CANARY }, 'x', { header: { crit: ['b64'], b64: false } })],
    ['an unencoded payload', `${header}.${claimsText}.${hmac(`${header}.${claimsText}`, SECRET)}`]
  ]
}

describe('a crooked token', () => {
  test('is refused on the upgrade of y-websocket and y-sweet, and by PermissionDenied', async () => {
    const corpus = crookedTokens()
    assert.ok(corpus.length >= 30)
    /** @type {string[]} */
    const passed = []
    for (const [name, crooked] of corpus) {
      const status = await statusOf(crooked)
      if (status !== 401 && status !== 403) passed.push(`${name}: y-websocket ${status}`)
      const ysweet = await ysweetStatus(crooked)
      if (ysweet !== 401 && ysweet !== 403) passed.push(`${name}: y-sweet ${ysweet}`)
      const hocuspocus = await hocuspocusAnswer(crooked)
      if (hocuspocus !== 'denied') passed.push(`${name}: Hocuspocus ${hocuspocus}`)
    }
    assert.deepEqual(passed, [])
  })

  test('of a megabyte is refused', async () => {
    const huge = token({ padding: 'x'.repeat(1_000_000) })
    const status = await statusOf(huge).catch(() => 'cut')
    assert.ok([400, 401, 403, 413, 414, 431, 0, 'cut'].includes(status), `status ${status}`)
    assert.equal(await hocuspocusAnswer(huge), 'denied')
  })

  test('none at all is refused too', async () => {
    assert.equal(await statusOf(undefined), 401)
    assert.equal(await hocuspocusAnswer(''), 'denied')
    const room = freshRoom('none')
    assert.equal((await upgrade(guarded, `/d/${room}/ws/${room}`)).status, 401)
  })

  test('in the real clients: refused, and let in once the token is good', async () => {
    // y-websocket#7: "no clean denial, endless reconnect". It does go on, and reads its parameters anew each time.
    for (const id of ['y-websocket-1', 'y-websocket-2', 'y-websocket-3', 'y-websocket-4']) {
      const client = join(id, guarded, freshRoom('again'), { token: mint({ exp: 1, jti: CANARY }, SECRET) })
      await until(() => client.sockets.some((s) => s.refused === 401 || s.refused === 403), 5_000, `${id} to be refused`, () => client.describe())
      assert.equal(client.synced(), false)
      // Version 1 reads its parameters once, when it is made; its page has only the URL to change.
      if (id === 'y-websocket-1') client.provider.url = client.provider.url.replace(/token=[^&]*/, `token=${token()}`)
      else client.provider.params = { token: token() }
      await client.whenSynced(10_000)
    }
  })
})

describe('a reader', () => {
  test('of y-websocket and y-sweet writes by no sync type', async () => {
    // threats.md, row 10: a server that guards Update only is written to by Step2.
    const room = freshRoom('reader')
    const editor = await open('hocuspocus-4', guarded, room, { token: token() })
    editor.insert('text', 0, 'untouched')
    await editor.whenSaved()
    const viewer = token({ role: 'viewer' })
    for (const target of [`/yjs/${room}`, `/${room}`, `/d/${room}/ws/${room}`]) {
      for (const [sub, frame] of /** @type {[number, Uint8Array][]} */ ([
        [1, yStep2(updateWith('one'))], [2, yUpdate(updateWith('two'))], [4, Uint8Array.of(4, ...yUpdate(updateWith('four')).slice(1))]
      ])) {
        const socket = await RawSocket.open(`${guarded.ws}${target}?token=${viewer}`)
        socket.send(frame)
        // Answered or closed: either way the frame before has been handled.
        if (socket.isOpen) socket.send(yStep1())
        await until(() => socket.close_event !== null || socket.frames.some((f) => f[0] === 0 && f[1] === 1), 2_000, `an answer after ${sub} at ${target}`)
        const witness = await open('y-websocket-3', guarded, room, { token: token() })
        assert.equal(witness.text('text'), 'untouched', `type ${sub} at ${target}`)
        witness.destroy()
        socket.drop()
      }
    }
  })

  test('of Hocuspocus writes by no sync type and no message type', async () => {
    const room = freshRoom('reader')
    const editor = await open('y-websocket-3', guarded, room, { token: token() })
    editor.insert('text', 0, 'untouched')
    for (const [type, sub] of [[0, 1], [0, 2], [4, 1], [4, 2]]) {
      const socket = await RawSocket.open(`${guarded.ws}/hocuspocus`)
      socket.send(hocus(room, 2, 0, token({ role: 'viewer' })))
      await socket.next((f) => readHocus(f).type === 2 && readHocus(f).text === 'readonly', 2_000, '"readonly"')
      socket.send(hocus(room, type, sub, updateWith(`by ${type}/${sub}`)))
      if (socket.isOpen) socket.send(hocus(room, 0, 0, Uint8Array.of(0)))
      await until(() => socket.close_event !== null || socket.frames.map(readHocus).some((m) => m.type === 0 && m.sub === 1), 2_000, `an answer after ${type}/${sub}`)
      const witness = await open('hocuspocus-3', guarded, room, { token: token() })
      assert.equal(witness.text('text'), 'untouched', `type ${type}/${sub}`)
      witness.destroy()
      socket.drop()
    }
  })

  test('in every real client: reads, is kept up to date, writes nothing', async () => {
    const room = freshRoom('readers')
    const editor = await open('hocuspocus-4', guarded, room, { token: token() })
    editor.insert('t', 0, 'theirs')
    await editor.whenSaved()
    const viewers = await Promise.all(KINDS.map(({ id }) => open(id, guarded, room, { token: token({ role: 'viewer', sub: id }), state: { name: id } })))
    for (const viewer of viewers) {
      assert.equal(viewer.text('t'), 'theirs', viewer.id)
      viewer.insert('t', 0, `${viewer.id} `)
      viewer.set('m', viewer.id, true)
    }
    editor.insert('t', 6, '!')
    await until(() => viewers.every((v) => v.text('t').endsWith('theirs!')), 2_000, 'the readers to be kept up to date', () => viewers.map((v) => [v.id, v.text('t')]))
    await until(() => editor.peers().size === KINDS.length, 2_000, 'the readers to be seen', () => [...editor.peers().values()])
    assert.equal(editor.text('t'), 'theirs!')
    assert.deepEqual(editor.map('m'), {})
    for (const viewer of viewers.filter((v) => v.kind.reportsSaved)) assert.equal(viewer.saved(), false, `${viewer.id} must not be told that it is saved`)
  })

  test('a commenter does not write the document either', async () => {
    const room = freshRoom('commenter')
    const editor = await open('hocuspocus-4', guarded, room, { token: token() })
    const commenter = await open('hocuspocus-4', guarded, room, { token: token({ role: 'commenter' }) })
    commenter.insert('t', 0, 'x')
    editor.insert('t', 0, 'y')
    await until(() => commenter.text('t').includes('y'), 2_000, 'the commenter to be kept up to date')
    assert.equal(editor.text('t'), 'y')
  })
})

describe('where the page comes from', () => {
  const room = 'origins'
  const targets = /** @type {[string, (given: string) => string][]} */ ([
    ['y-websocket', (given) => `/yjs/${room}?token=${given}`],
    ['y-websocket at the root', (given) => `/${room}?token=${given}`],
    ['Hocuspocus', () => '/hocuspocus'],
    ['Hocuspocus at the root', () => '/'],
    ['y-sweet', (given) => `/d/${room}/ws/${room}?token=${given}`]
  ])
  const foreign = [
    'https://evil.example', 'http://app.example.com', 'https://app.example.com:8443', 'https://app.example.com.evil.example',
    'https://sub.app.example.com', 'https://app.example.comx', 'null', 'file://', 'https://', '*', 'https://app.example.com/', 'https://APP.example.com:443.evil.example'
  ]
  for (const [dialect, target] of targets) {
    test(`${dialect}: a foreign origin is refused with 403`, async () => {
      for (const origin of foreign) {
        assert.equal((await upgrade(listed, target(token()), { Origin: origin })).status, 403, origin)
      }
    })

    test(`${dialect}: an allowed one is let in`, async () => {
      for (const origin of [ORIGIN, 'http://localhost:3000']) {
        assert.equal((await upgrade(listed, target(token()), { Origin: origin })).status, 101, origin)
      }
    })

    test(`${dialect}: none at all is let in with a token, as a back end sends none`, async () => {
      assert.equal((await upgrade(listed, target(token()))).status, 101)
    })

    test(`${dialect}: open to all, none at all is let in, "null" is not`, async () => {
      assert.equal((await upgrade(openToAll, target(''))).status, 101)
      assert.equal((await upgrade(openToAll, target(''), { Origin: 'null' })).status, 403)
    })
  }

  test('the real clients with an allowed and with a foreign origin', async () => {
    for (const id of DIALECT_KINDS) {
      const welcome = await open(id, listed, freshRoom('welcome'), { token: token(), origin: ORIGIN })
      welcome.insert('t', 0, 'in')
      await welcome.whenSaved()
      const unwelcome = join(id, listed, freshRoom('unwelcome'), { token: token(), origin: 'https://evil.example' })
      await until(() => unwelcome.sockets.some((s) => s.refused === 403), 5_000, `${id} to be refused`, () => unwelcome.describe())
      assert.equal(unwelcome.synced(), false)
      unwelcome.destroy()
    }
  })

  test('a refused upgrade is a refusal, not an open socket', async () => {
    await assert.rejects(RawSocket.open(`${listed.ws}/yjs/${room}?token=${token()}`, { origin: 'https://evil.example' }),
      (/** @type {any} */ error) => error instanceof UpgradeRefused && error.status === 403)
  })
})

test('no token is found in what the server wrote, or in its metrics', async () => {
  // threats.md, row 44. Each of the tests above carried the canary in its tokens; a token is looked for by its payload too.
  const room = freshRoom('canary')
  const chatty = await Server.start({ jwtSecret: SECRET, env: { RUST_LOG: 'trace', ROOMTONE_LOG: 'trace' } })
  try {
    for (const { id } of KINDS) {
      const client = await open(id, chatty, room, { token: token() })
      client.insert('t', 0, 'x')
      await client.whenSaved()
      client.destroy()
    }
    const expired = token({ exp: 1 })
    await upgrade(chatty, `/yjs/${room}?token=${expired}`)
    await upgrade(chatty, `/d/${room}/ws/${room}?token=${expired}`)
    await upgrade(chatty, `/${room}?token=${CANARY}`)
    await upgrade(chatty, `/yjs/${room}?token=${CANARY}`, { Authorization: `Bearer ${CANARY}`, 'Sec-WebSocket-Protocol': CANARY })
    await hocuspocusAnswer(CANARY, room, chatty)
    await chatty.fetch('/doc/new', { method: 'POST', headers: { Authorization: `Bearer ${CANARY}` }, body: '{}' })
    for (const server of [guarded, openToAll, listed, chatty]) {
      const metrics = await (await server.fetch('/metrics')).text()
      const encoded = base64url(JSON.stringify({ jti: CANARY })).slice(4, -4)
      for (const [where, text] of [['the log', server.log()], ['/metrics', metrics]]) {
        for (const secret of [CANARY, encoded, base64url(CANARY), expired.split('.')[1], SECRET]) {
          assert.ok(!text.includes(secret), `a secret is in ${where}: …${text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 40)}…`)
        }
      }
    }
  } finally {
    destroyAll()
    await chatty.stop()
  }
})
