/**
 * What a server has promised: which edits it acknowledged or showed to somebody, room by room, and whether a document
 * keeps all of those promises.
 *
 * One edit is one transaction: its id becomes a key in the map `edits` and an element of the array `order`, and in the
 * map `drafts` it adds its own key and deletes that of the same writer's edit before it. So half an edit, a lost
 * deletion and a lost insertion all show.
 */

/** Ids look like `<writer>-<n>`: the one before is found without a table. */
const before = (id) => {
  const dash = id.lastIndexOf('-')
  const n = Number(id.slice(dash + 1))
  return n === 0 ? null : `${id.slice(0, dash)}-${n - 1}`
}

/** Makes one edit with this id in a document, as one transaction and so as one update. */
export function edit (doc, id, chance) {
  doc.transact(() => {
    doc.getMap('edits').set(id, true)
    const order = doc.getArray('order')
    order.insert(chance.between(0, order.length), [id])
    const drafts = doc.getMap('drafts')
    drafts.set(id, true)
    const last = before(id)
    if (last !== null) drafts.delete(last)
  })
}

/** Calls `seen(id)` for each edit that reaches this document from elsewhere. */
export function watch (doc, seen) {
  doc.getMap('edits').observe((event) => {
    if (!event.transaction.local) for (const id of event.keysChanged) seen(id)
  })
}

export class Ledger {
  sent = 0
  #rooms = new Map()

  #room (name) {
    let room = this.#rooms.get(name)
    if (!room) this.#rooms.set(name, (room = { acked: new Set(), seen: new Set(), accepted: new Set() }))
    return room
  }

  /** Its author's client holds it for saved. */
  acknowledge (room, id) { this.#room(room).acked.add(id) }

  /** It reached somebody else. */
  observe (room, id) { this.#room(room).seen.add(id) }

  /** It was with the server long before a polite end. */
  accept (room, id) { this.#room(room).accepted.add(id) }

  /** How many edits have been acknowledged, seen and accepted. */
  get counts () {
    const sum = { acked: 0, seen: 0, accepted: 0 }
    for (const room of this.#rooms.values()) for (const kind of Object.keys(sum)) sum[kind] += room[kind].size
    return sum
  }

  /** What has been acknowledged in a room until now: what a joiner may rightly expect when told "synced". */
  acknowledgedIn (room) { return new Set(this.#room(room).acked) }

  /** Everything promised in a room until now. */
  promisedIn (room) { return new Set(Object.values(this.#room(room)).flatMap((ids) => [...ids])) }
}

/** The promised edits of which a part is missing in this document. */
export function broken (doc, promised) {
  const edits = doc.getMap('edits')
  const drafts = doc.getMap('drafts')
  const order = new Set(doc.getArray('order').toArray())
  return [...promised].filter((id) => !edits.has(id) || !order.has(id) || drafts.has(before(id) ?? ''))
}

/** The edits that stand in this document more than once. */
export function doubled (doc) {
  const once = new Set()
  return doc.getArray('order').toArray().filter((id) => once.has(id) || !once.add(id))
}
