/**
 * People with the SDK's chat, who remember what they wrote and what they were shown as sent.
 *
 *   const ada = new Talker({ server: proxy, room: 'r', token: tokenOf('ada'), random: () => 0.1 })
 *   await ada.live(); ada.post('hello')
 *   ada.texts; ada.shown                     // what the list holds now; every text that was ever shown as stored
 *   await listOf(server, 'r', token)         // the whole list by HTTP: what is in the store
 */
import assert from 'node:assert/strict'
import { cut, described, sdkChat, sdkClient, synced } from './sdk.mjs'
import { until } from './wait.mjs'

const PAGE_COUNT = 200
/** Generous: nothing here is measured by how soon it fails. */
const ARRIVAL_MS_MAX = 60_000
/** After this the SDK asks whether there is news. */
const SILENCE_MS_MAX = 30_000

export class Talker {
  /** What was written, in order. @type {string[]} */
  wrote = []
  /** What the list showed as stored at any time, and under which number. @type {Map<string, number>} */
  shown = new Map()
  /** What should never be. @type {string[]} */
  broken = []
  /** Makes the list too dear in a crowd. */
  #isWatching

  /** @param {{ server: { ws: string }, room: string, token?: string, random?: () => number, isWatching?: boolean, silence_ms?: number }} options `silence_ms`: how long the chat hears nothing before it asks */
  constructor ({ server, room, token, random = Math.random, isWatching = true, silence_ms = SILENCE_MS_MAX }) {
    this.#isWatching = isWatching
    this.client = sdkClient(server, { token, environment: { random } })
    this.room = this.client.open(room)
    this.chat = sdkChat.chat(this.room, {
      onError: (/** @type {unknown} */ error) => this.client.errors.push(error),
      environment: { setTimeout: (/** @type {() => void} */ run, /** @type {number} */ ms) => setTimeout(run, ms === SILENCE_MS_MAX ? silence_ms : ms) }
    })
    if (isWatching) this.chat.subscribe(() => this.#look())
  }

  #look () {
    for (const { state, seq, text, deleted } of this.chat.messages) {
      if (state !== 'sent' || deleted) continue
      const last = this.shown.get(text)
      if (last !== undefined && last !== seq) this.broken.push(`"${text}" was ${last}, and is ${seq}`)
      this.shown.set(text, seq)
    }
  }

  /** @param {string} text @param {Record<string, unknown>} [options] */
  post (text, options) {
    this.wrote.push(text)
    return this.chat.post(text, options)
  }

  get texts () { return this.chat.messages.map((/** @type {any} */ each) => each.text) }
  get isSettled () { return this.chat.status === 'live' && this.chat.messages.every((/** @type {any} */ each) => each.state === 'sent') }

  async live () {
    await synced(this.room, ARRIVAL_MS_MAX)
    await until(() => this.chat.status === 'live', ARRIVAL_MS_MAX, 'the chat to be live', () => this.describe())
    return this
  }

  /** @param {() => unknown} condition @param {string} what */
  sees (condition, what) { return until(condition, ARRIVAL_MS_MAX, what, () => this.describe()) }

  /** @param {number} seq @returns {any} */
  message (seq) { return this.chat.messages.find((/** @type {any} */ each) => each.seq === seq) }

  describe () {
    const { status, error, messages, unreadCount, readSeq } = this.chat
    return { ...described(this.room), chat: status, error, unreadCount, readSeq, count: messages.length, last: messages.slice(-3), unsettled: messages.filter((/** @type {any} */ each) => each.state !== 'sent').length, errors: this.client.errors }
  }

  cut () { cut(this.client) }

  leave () { this.client.destroy() }
}

/** Every message of a room, oldest first. @param {{ http: string }} server @param {string} room @param {string} token @returns {Promise<any[]>} */
export async function listOf (server, room, token) {
  /** @type {any[]} */
  const all = []
  for (let before = ''; ;) {
    const address = `${server.http}/v1/rooms/${encodeURIComponent(room)}/messages?limit=${PAGE_COUNT}${before}`
    const response = await fetch(address, { headers: { authorization: `Bearer ${token}` } })
    const body = await response.text()
    assert.equal(response.status, 200, body)
    const { messages } = JSON.parse(body)
    all.unshift(...messages.reverse())
    if (messages.length === 0 || all[0].seq === 1) return all
    before = `&before=${all[0].seq}`
  }
}
