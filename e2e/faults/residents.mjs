/**
 * The people of the attacked rooms, in a process of their own: they write something real, stay through the attack, and
 * tell afterwards whether Yjs would have thrown in their browsers.
 *
 * Forked by test/hostile.test.mjs with one JSON argument `{ ws, rooms: [name] }`. Says `{ rooms }` when all are in (what
 * faults/frames.mjs needs to know of each room), and on any message answers `{ report }` and leaves.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import WebSocket from 'ws'
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness'
import { readSyncMessage, writeSyncStep1, writeUpdate } from 'y-protocols/sync'
import * as Y from 'yjs'

const { ws, rooms } = JSON.parse(process.argv[2])
const THROWN_MAX = 20

/** A member that catches what a browser would not. */
class Resident {
  thrown = []
  forged = 0
  frames = 0
  reconnects = -1
  samples = []

  constructor (room) {
    this.room = room
    this.doc = new Y.Doc()
    this.awareness = new Awareness(this.doc)
    this.awareness.setLocalState({ user: { name: 'resident' } })
    this.doc.on('update', (update, origin) => {
      if (origin === this) return
      this.samples.push(Buffer.from(update).toString('base64'))
      this.#send((e) => {
        encoding.writeVarUint(e, 0)
        writeUpdate(e, update)
      })
    })
    this.awareness.on('update', (_change, origin) => {
      if (origin !== this) this.#sayPresence()
    })
    this.arrived = new Promise((resolve) => (this.nowArrived = resolve))
    this.#connect()
  }

  /** Something of every kind that a document can hold, so that damaged copies of it are of every kind too. */
  write () {
    const text = this.doc.getText('text')
    const map = this.doc.getMap('map')
    const xml = this.doc.getXmlFragment('xml')
    text.insert(0, 'what people wrote here, 漢字 and 👩‍👩‍👧 included')
    text.format(5, 6, { bold: true, link: { href: 'https://example.org' } })
    text.insertEmbed(3, { image: 'x.png', size: [1, 2.5, -3] })
    text.delete(10, 4)
    map.set('values', [null, undefined, true, 1, -1, 2 ** 40, 1.5, 'x', { nested: { deep: [1, [2, [3]]] } }])
    map.set('bytes', Uint8Array.of(1, 2, 3))
    map.set('list', new Y.Array())
    map.get('list').insert(0, ['a', 'b', 'c', 4])
    map.get('list').delete(1, 2)
    map.set('child', new Y.Map([['k', 'v']]))
    map.set('k', 1)
    map.set('k', 2)
    map.delete('k')
    const page = new Y.XmlElement('page')
    xml.insert(0, [page, new Y.XmlText('tail')])
    page.setAttribute('id', '1')
    page.insert(0, [new Y.XmlText('inside')])
    this.samples.push(Buffer.from(Y.encodeStateAsUpdate(this.doc)).toString('base64'))
  }

  get summary () {
    return { name: this.room, samples: this.samples, victim: [this.doc.clientID, 3], resident: this.awareness.clientID }
  }

  leave () {
    this.left = true
    this.socket.terminate()
    this.doc.destroy()
  }

  #connect () {
    if (this.left) return
    this.reconnects++
    this.socket = new WebSocket(`${ws}/yjs/${this.room}`, { perMessageDeflate: false })
    this.socket.on('open', () => {
      this.#send((e) => {
        encoding.writeVarUint(e, 0)
        writeSyncStep1(e, this.doc)
      })
      this.#sayPresence()
    })
    this.socket.on('message', (bytes) => this.#read(new Uint8Array(bytes)))
    this.socket.on('error', () => {})
    this.socket.on('close', () => setTimeout(() => this.#connect(), 200))
  }

  #sayPresence () {
    this.#send((e) => {
      encoding.writeVarUint(e, 1)
      // Not the document's id: Yjs takes a new one when somebody else writes under it.
      encoding.writeVarUint8Array(e, encodeAwarenessUpdate(this.awareness, [this.awareness.clientID]))
    })
  }

  #send (write) {
    if (this.socket?.readyState !== WebSocket.OPEN) return
    const encoder = encoding.createEncoder()
    write(encoder)
    this.socket.send(encoding.toUint8Array(encoder))
  }

  #read (frame) {
    this.frames++
    try {
      const decoder = decoding.createDecoder(frame)
      const type = decoding.readVarUint(decoder)
      if (type === 0) {
        const encoder = encoding.createEncoder()
        encoding.writeVarUint(encoder, 0)
        // The library's own reader logs and swallows what Yjs throws; a browser would be left with half an update.
        const step = readSyncMessage(decoder, encoder, this.doc, this, (error) => { throw error })
        if (encoding.length(encoder) > 1) this.socket.send(encoding.toUint8Array(encoder))
        if (step === 1) this.nowArrived()
      } else if (type === 1) {
        const bytes = decoding.readVarUint8Array(decoder)
        this.#checkForged(bytes)
        applyAwarenessUpdate(this.awareness, bytes, this)
      }
    } catch (error) {
      if (this.thrown.length < THROWN_MAX) this.thrown.push(`${error}: ${Buffer.from(frame.subarray(0, 200)).toString('hex')}`)
    }
  }

  #checkForged (bytes) {
    const decoder = decoding.createDecoder(bytes)
    for (let n = decoding.readVarUint(decoder); n > 0; n--) {
      const [client, , json] = [decoding.readVarUint(decoder), decoding.readVarUint(decoder), decoding.readVarString(decoder)]
      if (client === this.awareness.clientID && JSON.parse(json)?.user?.name !== 'resident') this.forged++
    }
  }
}

// The library's reader of updates says on the console what it swallowed: that is a throw as well.
const residents = rooms.map((room) => new Resident(room))
console.error = (what, error) => residents[0].thrown.length < THROWN_MAX && residents[0].thrown.push(`${what} ${error}`)
await Promise.all(residents.map(({ arrived }) => arrived))
for (const resident of residents) resident.write()
process.on('message', () => {
  const report = residents.map(({ room, thrown, forged, frames, reconnects, doc }) => ({ room, thrown, forged, frames, reconnects, text: doc.getText('text').toString(), vector: Buffer.from(Y.encodeStateVector(doc)).toString('base64') }))
  for (const resident of residents) resident.leave()
  process.send({ report }, () => process.exit(0))
})
process.send({ rooms: residents.map(({ summary }) => summary) })
