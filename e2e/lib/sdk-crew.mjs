/**
 * People with the SDK who write all the time and remember what they were told is saved (lib/fault-ledger.mjs).
 *
 *   const person = new Person({ server: proxy, ledger, writer: 'w1', rooms, random: () => chance.unit() })
 *   person.edit(room, chance)          // one transaction; its id is promised from the moment the room says that it is saved
 *   person.leave()                     // a tab that is closed: what was not saved goes with it, and nobody promised it
 */
import { edit } from './fault-ledger.mjs'
import { described, sdkClient } from './sdk.mjs'

export class Person {
  /** The ids of the edits made in each room, in order. @type {Map<any, string[]>} */
  #ids = new Map()
  /** How many of them are promised already. @type {Map<any, number>} */
  #promised = new Map()

  /**
   * @param {{ server: { ws: string }, ledger: import('./fault-ledger.mjs').Ledger, writer: string, rooms: string[], random: () => number }} options
   *   `random` is what the client draws its pauses from
   */
  constructor ({ server, ledger, writer, rooms, random }) {
    this.writer = writer
    this.ledger = ledger
    this.client = sdkClient(server, { environment: { random } })
    this.rooms = rooms.map((name) => {
      const room = this.client.open(name)
      this.#ids.set(room, [])
      this.#promised.set(room, 0)
      room.on('saved', () => this.#promise(room))
      return room
    })
  }

  /** @param {any} room @param {import('./fault-random.mjs').Chance} chance */
  edit (room, chance) {
    const ids = this.#idsOf(room)
    const id = `${this.writer}.${this.rooms.indexOf(room)}-${ids.length}`
    // Before the edit: the room counts it as unsaved while it is made.
    ids.push(id)
    edit(room.doc, id, chance)
    this.ledger.sent++
  }

  /** Changes are confirmed in the order in which they were made: what is unsaved are always the last ones. @param {any} room */
  #promise (room) {
    const ids = this.#idsOf(room)
    const count = ids.length - room.saved.unsaved
    for (let n = this.#promised.get(room) ?? 0; n < count; n++) this.ledger.acknowledge(room.name, ids[n])
    this.#promised.set(room, Math.max(count, this.#promised.get(room) ?? 0))
  }

  /** @param {any} room @returns {string[]} */
  #idsOf (room) { return this.#ids.get(room) ?? [] }

  /** Everything ever written in a room. @param {string} name */
  wrote (name) { return this.rooms.filter((room) => room.name === name).flatMap((room) => this.#idsOf(room)) }

  get unsaved () { return this.rooms.reduce((sum, room) => sum + room.saved.unsaved, 0) }

  get isSettled () { return this.rooms.every((room) => room.synced && room.saved.state === 'saved') }

  describe () { return this.rooms.map((room) => ({ writer: this.writer, ...described(room) })) }

  leave () { this.client.destroy() }
}
