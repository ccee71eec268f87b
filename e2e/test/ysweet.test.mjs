// What only y-sweet has: its REST interface, used through its own SDK, tokens per document, and "are my changes there?".
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { DocumentManager, createDoc, getOrCreateDocAndToken } from '@y-sweet/sdk'
import * as Y from 'yjs'
import { destroyAll, freshRoom, join, open } from '../lib/clients.mjs'
import { mint } from '../lib/jwt.mjs'
import { RawSocket, encode, readY, updateWith, upgrade, yStep1, yUpdate } from '../lib/raw.mjs'
import { Server, reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'
import * as encoding from 'lib0/encoding'

const SECRET = 'y-sweet-secret-that-is-long-enough-for-hs256'
const OWNER = mint({ sub: 'backend', role: 'owner' }, SECRET)

/** @type {Server} */
let server
/** @type {Server} */
let guarded

before(async () => {
  [server, guarded] = await Promise.all([Server.start(), Server.start({ jwtSecret: SECRET })])
})
afterEach(reportFailure(() => server))
afterEach(reportFailure(() => guarded))
afterEach(destroyAll)
after(async () => {
  await server?.stop()
  await guarded?.stop()
})

/** @param {Server} at @param {string} [token] */
const connectionString = (at, token) => `ys://${token === undefined ? '' : `${encodeURIComponent(token)}@`}${at.host}`

/** @param {Uint8Array} update @param {string} [name] */
const textOf = (update, name = 'text') => {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  return doc.getText(name).toString()
}

describe('documents over HTTP', () => {
  const both = /** @type {[string, () => DocumentManager][]} */ ([
    ['open', () => new DocumentManager(connectionString(server))],
    ['with a token', () => new DocumentManager(connectionString(guarded, OWNER))]
  ])
  for (const [mode, manager] of both) {
    test(`${mode}: create, token, update, read`, async () => {
      assert.deepEqual(await manager().checkStore(), { ok: true })
      const created = await manager().createDoc()
      assert.match(created.docId, /^[A-Za-z0-9_-]+$/)
      assert.equal(textOf(await manager().getDocAsUpdate(created.docId)), '')
      await manager().updateDoc(created.docId, updateWith('over HTTP'))
      assert.equal(textOf(await manager().getDocAsUpdate(created.docId)), 'over HTTP')
    })

    test(`${mode}: a name of one's own, and creating it twice changes nothing`, async () => {
      const docId = freshRoom('own')
      assert.deepEqual(await manager().createDoc(docId), { docId })
      await manager().updateDoc(docId, updateWith('kept'))
      assert.deepEqual(await manager().createDoc(docId), { docId })
      assert.equal(textOf(await manager().getDocAsUpdate(docId)), 'kept')
    })

    test(`${mode}: created with content`, async () => {
      const { docId } = await manager().createDocWithContent(updateWith('initial'))
      assert.equal(textOf(await manager().getDocAsUpdate(docId)), 'initial')
    })

    test(`${mode}: the token that a client is given`, async () => {
      const docId = freshRoom('token')
      const token = await manager().getOrCreateDocAndToken(docId)
      assert.equal(token.docId, docId)
      assert.match(token.url, new RegExp(`^ws://127\\.0\\.0\\.1:\\d+/d/${docId}/ws$`))
      assert.match(token.baseUrl, new RegExp(`^http://127\\.0\\.0\\.1:\\d+/d/${docId}$`))
      assert.equal(token.authorization, 'full')
    })
  }

  test('two created documents have different ids', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => createDoc(connectionString(server))))
    assert.equal(new Set(ids.map((d) => d.docId)).size, 10)
  })

  test('the helpers of the SDK work on their own', async () => {
    const docId = freshRoom('helper')
    const token = await getOrCreateDocAndToken(connectionString(guarded, OWNER), docId, { userId: 'ann', validForSeconds: 60 })
    assert.ok(token.token)
  })

  test('what is written over HTTP is seen by those who are connected', async () => {
    const docId = freshRoom('live')
    const client = await open('y-sweet', server, docId)
    const other = await open('y-websocket-3', server, docId)
    await new DocumentManager(connectionString(server)).updateDoc(docId, updateWith('pushed', 't'))
    await until(() => client.text('t') === 'pushed' && other.text('t') === 'pushed', 2_000, 'both to see it', () => [client.text('t'), other.text('t')])
  })

  test('an update that is none is refused and harms nothing', async () => {
    const manager = new DocumentManager(connectionString(server))
    const { docId } = await manager.createDocWithContent(updateWith('good'))
    for (const bad of [Uint8Array.of(1, 2, 3), Uint8Array.of(255, 255, 255, 255, 15), new TextEncoder().encode('not an update at all')]) {
      await assert.rejects(manager.updateDoc(docId, bad), (/** @type {any} */ error) => error.cause.code === 'ServerError' && error.cause.status === 400)
    }
    assert.equal(textOf(await manager.getDocAsUpdate(docId)), 'good')
  })

  test('the deprecated paths', async () => {
    const docId = freshRoom('deprecated')
    assert.equal((await server.fetch(`/doc/${docId}/update`, { method: 'POST', body: updateWith('old way') })).status, 200)
    const answer = await server.fetch(`/doc/${docId}/as-update`)
    assert.equal(textOf(new Uint8Array(await answer.arrayBuffer())), 'old way')
    assert.equal((await server.fetch('/check_store')).status, 200)
    const socket = await RawSocket.open(`${server.ws}/doc/ws/${docId}`)
    socket.send(yStep1())
    await socket.next((f) => readY(f)[0].type === 0 && readY(f)[0].sub === 1, 2_000, 'a Step2')
    socket.close()
  })
})

describe('who may', () => {
  test('without a token, or with a bad one, nothing is given', async () => {
    for (const [token, code] of /** @type {const} */ ([[undefined, 'NoAuthProvided'], ['rubbish', 'InvalidAuthProvided']])) {
      const manager = new DocumentManager(connectionString(guarded, token))
      const refused = (/** @type {any} */ error) => {
        assert.equal(error.cause.code, code)
        return true
      }
      await assert.rejects(manager.createDoc(), refused)
      await assert.rejects(manager.getClientToken('any'), refused)
    }
  })

  test('only an owner may mint tokens', async () => {
    for (const role of ['viewer', 'commenter', 'editor']) {
      const manager = new DocumentManager(connectionString(guarded, mint({ role }, SECRET)))
      await assert.rejects(manager.getClientToken('any'), (/** @type {any} */ error) => error.cause.code !== 'Unknown', role)
    }
  })

  test('an owner of some documents mints no token for others', async () => {
    const manager = new DocumentManager(connectionString(guarded, mint({ role: 'owner', room: 'mine-*' }, SECRET)))
    await manager.getClientToken('mine-1')
    await assert.rejects(manager.getClientToken('yours-1'))
  })

  test('a document token opens its document and no other', async () => {
    const [mine, yours] = [freshRoom('mine'), freshRoom('yours')]
    const manager = new DocumentManager(connectionString(guarded, OWNER))
    const { token = '' } = await manager.getOrCreateDocAndToken(mine)
    await manager.createDoc(yours)
    const client = await open('y-sweet', guarded, mine, { token })
    client.insert('t', 0, 'mine')
    await client.whenSaved()
    const { status } = await upgrade(guarded, `/d/${yours}/ws/${yours}?token=${token}`)
    assert.ok(status === 401 || status === 403, `status ${status}`)
    const read = await guarded.fetch(`/d/${yours}/as-update`, { headers: { Authorization: `Bearer ${token}` } })
    assert.ok(read.status === 401 || read.status === 403, `status ${read.status}`)
    assert.equal((await guarded.fetch(`/d/${mine}/as-update`)).status, 401)
  })

  test('a document token mints no further tokens', async () => {
    const docId = freshRoom('chain')
    const { token } = await new DocumentManager(connectionString(guarded, OWNER)).getOrCreateDocAndToken(docId)
    await assert.rejects(new DocumentManager(connectionString(guarded, token)).getClientToken(docId))
  })

  test('read-only reads and is kept up to date, and writes nothing, by socket or HTTP', async () => {
    const docId = freshRoom('read-only')
    const editor = await open('y-sweet', guarded, docId, { serverToken: OWNER })
    editor.insert('t', 0, 'theirs')
    await editor.whenSaved()
    const manager = new DocumentManager(connectionString(guarded, OWNER))
    const token = await manager.getClientToken(docId, { authorization: 'read-only' })
    assert.equal(token.authorization, 'read-only')
    const viewer = await open('y-sweet', guarded, docId, { serverToken: OWNER, readOnly: true })
    assert.equal(viewer.text('t'), 'theirs')
    viewer.insert('t', 0, 'mine ')
    editor.insert('t', 6, '!')
    await until(() => viewer.text('t') === 'mine theirs!', 2_000, 'the reader to be kept up to date', () => viewer.text('t'))
    assert.equal(editor.text('t'), 'theirs!')
    assert.equal(viewer.provider.hasLocalChanges, true, 'a refused edit is not called saved')
    const connection = await manager.getDocConnection(docId, { authorization: 'read-only' })
    await assert.rejects(connection.updateDoc(updateWith('sneaky')), (/** @type {any} */ error) => error.cause.status === 403)
    assert.equal(textOf(await connection.getAsUpdate(), 't'), 'theirs!')
  })
})

describe('the socket', () => {
  test('ids that differ are refused with 400', async () => {
    assert.equal((await upgrade(server, '/d/one/ws/two')).status, 400)
  })

  test('hasLocalChanges rises with an edit and falls when it is saved', async () => {
    const client = await open('y-sweet', server, freshRoom('changes'))
    await client.whenSaved()
    /** @type {boolean[]} */
    const heard = []
    client.provider.on('local-changes', (/** @type {boolean} */ value) => heard.push(value))
    client.insert('t', 0, 'x')
    assert.equal(client.provider.hasLocalChanges, true)
    await client.whenSaved()
    assert.deepEqual(heard, [true, false])
    for (let i = 0; i < 100; i++) client.insert('t', 0, 'y')
    await client.whenSaved()
    assert.equal(client.provider.ackedVersion, client.provider.localVersion)
  })

  test('the version comes back byte for byte', async () => {
    const docId = freshRoom('version')
    const socket = await RawSocket.open(`${server.ws}/d/${docId}/ws/${docId}`)
    // The answer to the server's Step1: before it nothing is called saved.
    socket.send(Uint8Array.of(0, 1, 2, 0, 0))
    const versions = [0, 1, 127, 128, 300_000, 2 ** 40]
    for (const version of versions) {
      const frame = encode((e) => {
        encoding.writeVarUint(e, 102)
        encoding.writeVarUint8Array(e, encode((inner) => encoding.writeVarUint(inner, version)))
      })
      socket.send(yUpdate(updateWith(`v${version}`)))
      socket.send(frame)
      await socket.next((f) => Buffer.from(f).equals(Buffer.from(frame)), 3_000, `version ${version} to come back`)
    }
    socket.close()
  })

  test('a lost token is fetched anew', async () => {
    // The client asks for a new token after three failed connects: here the first one is wrong.
    const docId = freshRoom('anew')
    const manager = new DocumentManager(connectionString(guarded, OWNER))
    const good = await manager.getOrCreateDocAndToken(docId)
    const client = join('y-sweet', guarded, docId, { serverToken: OWNER, opts: { initialClientToken: { ...good, token: 'stale' } } })
    await client.whenSynced(10_000)
    assert.ok(client.sockets.some((s) => s.refused === 401 || s.refused === 403))
  })

  test('an awareness query with a payload behind it does no harm', async () => {
    const docId = freshRoom('query')
    const client = await open('y-sweet', server, docId, { state: { name: 'ann' } })
    const other = await open('y-sweet', server, docId)
    client.provider.queryAwareness()
    client.insert('t', 0, 'alive')
    await until(() => other.text('t') === 'alive', 2_000, 'the edit behind it')
    assert.equal(client.sockets.length, 1)
  })
})
