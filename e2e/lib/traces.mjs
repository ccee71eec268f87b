/**
 * Editing traces: keystrokes that real people typed, to be typed again through a server.
 *
 *   const trace = await loadTrace('friendsforever')        // from ROOMTONE_TRACES
 *   typeSequential(trace, client, 'text', from, to)         // applies transactions [from, to) to a client's text
 *   const { lanes, text } = replayConcurrent(trace)         // every transaction as a Yjs update, typed on exactly its parents' state
 *
 * In a concurrent trace a position refers to the text as the transaction's parents left it, so whoever types it must know its
 * ancestors and nothing else. A live client cannot promise that: it is given what the others wrote as soon as it arrives. So the
 * trace is first replayed with one document per lane (a chain of transactions of one agent), which are told only what the next
 * transaction's parents name; that gives the exact update of every transaction. These are then sent by live clients, each as one
 * lane, each transaction as soon as its ancestors have arrived. What else has arrived by then does not matter: an update names its
 * neighbours by id, not by position.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import * as Y from 'yjs'

const SURROGATE = /[\ud800-\udfff]/

/**
 * @typedef {[number, number, string]} Patch position, how many are deleted, what is inserted; counted in characters
 * @typedef {{ patches: Patch[], parents?: number[], agent?: number }} Txn
 * @typedef {{ kind?: string, startContent?: string, endContent: string, numAgents?: number, txns: Txn[] }} Trace
 */

/** Two folders up from here is the checkout; the traces lie beside it unless the environment says otherwise. */
export const tracesDir = () => process.env.ROOMTONE_TRACES ??
  path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../shared/data/traces')

/** @param {string} name @returns {Promise<Trace>} */
export async function loadTrace (name) {
  const file = path.join(tracesDir(), `${name}.json.gz`)
  let packed
  try {
    packed = await readFile(file)
  } catch (error) {
    throw new Error(`the trace ${file} cannot be read: set ROOMTONE_TRACES to the folder that holds it (${error instanceof Error ? error.message : error})`)
  }
  return JSON.parse(String(await promisify(gunzip)(packed)))
}

/** @param {Trace} trace */
const hasSurrogates = (trace) => SURROGATE.test(trace.startContent ?? '') ||
  trace.txns.some((txn) => txn.patches.some(([, , inserted]) => SURROGATE.test(inserted)))

/** Characters to UTF-16 units, which Yjs counts in. @param {string} text @param {number} characters @param {number} [from] */
const unitsOf = (text, characters, from = 0) => {
  let at = from
  for (let i = 0; i < characters; i++) at += /** @type {number} */ (text.codePointAt(at)) > 0xffff ? 2 : 1
  return at - from
}

/**
 * @typedef {{ insert(name: string, at: number, text: string): void, remove(name: string, at: number, count: number): void, text(name: string): string }} Typist
 */

/** @param {Typist} typist @param {string} name @param {Patch[]} patches @param {boolean} wide whether characters and units differ */
const type = (typist, name, patches, wide) => {
  for (let [at, removed, inserted] of patches) {
    if (wide) {
      const text = typist.text(name)
      const start = unitsOf(text, at)
      removed = unitsOf(text, removed, start)
      at = start
    }
    if (removed > 0) typist.remove(name, at, removed)
    if (inserted.length > 0) typist.insert(name, at, inserted)
  }
}

/**
 * @param {Trace} trace
 * @param {Typist & { doc: any }} client
 * @param {string} name
 * @param {number} from
 * @param {number} to
 */
export function typeSequential (trace, client, name, from, to) {
  const wide = hasSurrogatesOnce(trace)
  if (from === 0 && trace.startContent) client.insert(name, 0, trace.startContent)
  for (const txn of trace.txns.slice(from, to)) {
    client.doc.transact(() => type(client, name, txn.patches, wide))
  }
}

/** @type {WeakMap<Trace, boolean>} */
const wideTraces = new WeakMap()
/** @param {Trace} trace */
const hasSurrogatesOnce = (trace) => {
  const known = wideTraces.get(trace)
  if (known !== undefined) return known
  const wide = hasSurrogates(trace)
  wideTraces.set(trace, wide)
  return wide
}

/**
 * @typedef {object} Step one transaction of a lane
 * @property {number} index in the trace
 * @property {Uint8Array} update
 * @property {number[]} needs how many steps of each lane must have arrived before
 * @property {number} clock of the lane's client id, after it
 *
 * @typedef {object} Lane
 * @property {number} agent
 * @property {number} clientID
 * @property {Step[]} steps
 */

/**
 * @param {Trace} trace
 * @param {string} [name]
 * @returns {{ lanes: Lane[], text: string }}
 */
export function replayConcurrent (trace, name = 'text') {
  const wide = hasSurrogatesOnce(trace)
  /** @type {(Lane & { doc: Y.Doc, has: number[] })[]} */
  const lanes = []
  /** For each transaction: its lane, and its ancestors as a count per lane, itself included. @type {{ lane: number, seen: number[] }[]} */
  const placed = []

  for (const [index, txn] of trace.txns.entries()) {
    /** @type {number[]} */
    const needs = []
    for (const parent of txn.parents ?? []) {
      for (const [lane, count] of placed[parent].seen.entries()) needs[lane] = Math.max(needs[lane] ?? 0, count ?? 0)
    }
    // A lane can go on when all of it is known here; otherwise the agent typed in two places, and that is another lane.
    let at = lanes.findIndex((lane, i) => lane.agent === txn.agent && lane.steps.length === (needs[i] ?? 0))
    if (at === -1) {
      at = lanes.length
      const doc = new Y.Doc()
      // Lower ids sort first among what was typed at the same place at the same time; the trace was made with agents in order.
      doc.clientID = 1_000 * (/** @type {number} */ (txn.agent) + 1) + at
      lanes.push({ agent: /** @type {number} */ (txn.agent), clientID: doc.clientID, steps: [], doc, has: [] })
    }
    const lane = lanes[at]
    for (const [other, count = 0] of needs.entries()) {
      if (other === at) continue
      for (let k = lane.has[other] ?? 0; k < count; k++) Y.applyUpdate(lane.doc, lanes[other].steps[k].update, 'delivery')
      lane.has[other] = Math.max(lane.has[other] ?? 0, count)
    }
    /** @type {Uint8Array[]} */
    const updates = []
    const collect = (/** @type {Uint8Array} */ update) => { updates.push(update) }
    lane.doc.on('update', collect)
    const text = lane.doc.getText(name)
    const typist = {
      insert: (/** @type {string} */ _, /** @type {number} */ p, /** @type {string} */ s) => text.insert(p, s),
      remove: (/** @type {string} */ _, /** @type {number} */ p, /** @type {number} */ n) => text.delete(p, n),
      text: () => text.toString()
    }
    lane.doc.transact(() => type(typist, name, txn.patches, wide))
    lane.doc.off('update', collect)
    const update = updates.length === 1 ? updates[0] : Y.mergeUpdates(updates.length === 0 ? [Uint8Array.of(0, 0)] : updates)
    lane.steps.push({ index, update, needs: [...needs].map((n) => n ?? 0), clock: Y.getState(lane.doc.store, lane.clientID) })
    const seen = [...needs].map((n) => n ?? 0)
    seen[at] = lane.steps.length
    placed.push({ lane: at, seen: [...seen].map((n) => n ?? 0) })
  }

  const merged = new Y.Doc()
  merged.transact(() => {
    const order = lanes.flatMap((lane) => lane.steps).sort((a, b) => a.index - b.index)
    for (const step of order) Y.applyUpdate(merged, step.update)
  })
  const text = merged.getText(name).toString()
  for (const lane of lanes) lane.doc.destroy()
  merged.destroy()
  return { lanes: lanes.map(({ agent, clientID, steps }) => ({ agent, clientID, steps })), text }
}
