/**
 * The crew of the fault tests: real clients (lib/clients.mjs) that report each acknowledgement the moment they believe
 * it, and that stay away once told so (after a crash their memory would heal the very loss that a test looks for).
 *
 *   const a = new Member('hocuspocus-4', server, 'room', { writer: 'a', onAck: (id) => …, onSeen: (id) => … })
 *   await a.whenSynced(); a.edit(chance)             // → 'a-0', made as one transaction (lib/fault-ledger.mjs)
 *   a.unacknowledged; a.saysSaved; a.close; a.stayAway(); a.leave()
 */
import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { join } from './clients.mjs'
import { edit, watch } from './fault-ledger.mjs'
import { until } from './wait.mjs'

const SYNC_MS_MAX = 15_000

// Each y-websocket client listens for the end of the process; a crew is many of them.
process.setMaxListeners(0)

// What the y-sweet client says, often and rightly, while a test has the server down.
const EXPECTED = [/^connect\(\) called while/, /^Failed to get client token/]
const warn = console.warn
console.warn = (...all) => EXPECTED.some((line) => line.test(all[0])) || warn(...all)

export class Member {
  /** The ids of this member's edits, in the order in which they left. @type {string[]} */
  ids = []
  isSynced = false
  #acked = 0

  /**
   * `onAck(id)`: the client holds this edit for saved. `onSeen(id)`: somebody else's edit has arrived. `onSynced(doc)`:
   * the client calls itself synced for the first time; it is the very moment, before anything else can arrive.
   *
   * @param {string} kind
   * @param {import('./clients.mjs').Target} server
   * @param {string} room
   * @param {{ writer?: string, onAck?: (id: string) => void, onSeen?: (id: string) => void, onSynced?: (doc: Y.Doc) => void, options?: import('./clients.mjs').ClientOptions }} [all]
   */
  constructor (kind, server, room, { writer = '', onAck = () => {}, onSeen = () => {}, onSynced = () => {}, options = {} } = {}) {
    Object.assign(this, { kind, room, writer, onAck })
    this.client = join(kind, server, room, options)
    this.doc = this.client.doc
    watch(this.doc, onSeen)
    const provider = this.client.provider
    provider.on(this.client.dialect === 'y-websocket' ? 'sync' : 'synced', (state) => {
      if (state === false || this.isSynced) return
      onSynced(this.doc)
      this.isSynced = true
    })
    ACKNOWLEDGED[this.client.dialect](this, provider)
  }

  async whenSynced (ms = SYNC_MS_MAX) {
    await until(() => this.isSynced, ms, `${this.client} to be synced`, () => this.client.describe())
    return this
  }

  /** @param {import('./fault-random.mjs').Chance} chance */
  edit (chance) {
    const id = `${this.writer}-${this.ids.length}`
    this.ids.push(id)
    edit(this.doc, id, chance)
    return id
  }

  get unacknowledged () { return this.ids.length - this.#acked }

  /** What this client would tell its user. A y-websocket client below version 4 tells nothing: its echoes count. */
  get saysSaved () { return this.client.saved() ?? this.unacknowledged === 0 }

  /** @param {number} count the first so many of this member's edits are saved, as far as its client can know */
  saved (count) {
    for (; this.#acked < Math.min(count, this.ids.length); this.#acked++) this.onAck(this.ids[this.#acked])
  }

  /** How the first socket that opened was closed, once it was. */
  get close () { return this.client.sockets.find(({ opened }) => opened)?.close ?? null }

  /** No socket after the present one. */
  stayAway () {
    this.client.gate.open = false
    if (this.client.over) this.client.over.gate.open = false
    // Its close handler would run this beside its own connect loop, for ever and with a warning each time.
    if (this.client.dialect === 'y-sweet') this.client.provider.connect = async () => {}
  }

  leave () {
    this.stayAway()
    this.client.destroy()
  }
}

/** How each dialect says "saved"; the clients tell their user less than they know, so it is read where it arrives. */
const ACKNOWLEDGED = {
  // One answer for each message, in order (type 8): what is still owed are always the last ones sent. The client's own
  // event will not do, since it also tells of the count that every new connection sets back to 1.
  hocuspocus (member, provider) {
    const decrement = provider.decrementUnsyncedChanges.bind(provider)
    provider.decrementUnsyncedChanges = () => {
      decrement()
      member.saved(member.ids.length - provider.unsyncedChanges)
    }
  },

  // The version of each local edit comes back (type 102); the client's event waits for the last one.
  'y-sweet' (member, provider) {
    const update = provider.updateAckedVersion.bind(provider)
    provider.updateAckedVersion = (version) => {
      update(version)
      member.saved(provider.ackedVersion)
    }
  },

  // The author's own blocks come back: what version 4 of the client builds its sync-status on.
  'y-websocket' (member, provider) {
    const clocks = []
    let echoed = 0
    member.doc.on('update', (_update, origin) => {
      if (origin !== provider) clocks.push(Y.getState(member.doc.store, member.doc.clientID))
    })
    const read = provider.messageHandlers[0]
    provider.messageHandlers[0] = (encoder, decoder, ...rest) => {
      const peek = decoding.createDecoder(decoder.arr)
      peek.pos = decoder.pos
      if (decoding.readVarUint(peek) !== 0) {
        for (const { id, length } of Y.decodeUpdate(decoding.readVarUint8Array(peek)).structs) {
          if (id.client === member.doc.clientID && id.clock <= echoed) echoed = Math.max(echoed, id.clock + length)
        }
      }
      read(encoder, decoder, ...rest)
      let count = 0
      while (count < clocks.length && clocks[count] <= echoed) count++
      member.saved(count)
    }
  }
}
