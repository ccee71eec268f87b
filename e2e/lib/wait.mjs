/**
 * Waiting by condition: nothing in this folder sleeps and hopes.
 *
 *   await until(() => a.text('t') === 'hello', 2_000, 'b to see the text', () => a.text('t'))
 *   await settled(() => observer.frames.length, 300, 3_000, 'the room to fall silent')
 *
 * A failure names what was awaited, for how long, and the state that was found instead.
 */
import { inspect } from 'node:util'

const POLL_MS = 5

/** @param {unknown} value */
const show = (value) => {
  const text = typeof value === 'string' ? value : inspect(value, { depth: 5, breakLength: 120 })
  return text.length > 2_000 ? `${text.slice(0, 2_000)}… (${text.length} characters)` : text
}

/**
 * Waits until `condition` gives a truthy value (or a promise of one) and gives it back.
 *
 * @template T
 * @param {() => T | Promise<T>} condition
 * @param {number} ms the longest wait
 * @param {string} what completes the sentence "waited for …"
 * @param {() => unknown} [state] what to show when it does not come true
 * @returns {Promise<T>}
 */
export async function until (condition, ms, what, state) {
  // The trace is made here: the one inside a timer would not name the caller.
  const failure = new Error()
  const start = performance.now()
  /** @type {unknown} */
  let last
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (performance.now() - start >= ms) break
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  failure.message = `waited ${ms} ms for ${what}; found: ${show(state ? await state() : last)}`
  throw failure
}

/**
 * Waits until `measure` has given the same value for `quiet_ms` and gives that value back.
 *
 * @template T
 * @param {() => T} measure
 * @param {number} quiet_ms
 * @param {number} ms
 * @param {string} what
 * @returns {Promise<T>}
 */
export async function settled (measure, quiet_ms, ms, what) {
  let value = measure()
  let since = performance.now()
  await until(() => {
    const now = measure()
    if (now !== value) {
      value = now
      since = performance.now()
    }
    return performance.now() - since >= quiet_ms
  }, ms, what, () => value)
  return value
}

/**
 * For what only time can show: "nobody is dropped while idle for 36 s".
 * `broken` is asked all along, and a truthy answer ends the wait at once as a failure.
 *
 * @param {number} ms
 * @param {() => unknown} broken
 * @param {string} what
 */
export async function holds (ms, broken, what) {
  const start = performance.now()
  await until(() => {
    if (broken()) return true
    return performance.now() - start >= ms
  }, ms + 5_000, what)
  const value = broken()
  if (value) throw new Error(`${what} did not hold for ${ms} ms: ${show(value)} after ${Math.round(performance.now() - start)} ms`)
}
