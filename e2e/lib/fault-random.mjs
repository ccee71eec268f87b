/**
 * Holds seeded chance for the fault tests: one number repeats a whole run, and every run prints its number.
 */

/** The seed of this run: `ROOMTONE_SEED`, or a fresh one. Printed, because a seed is a bug report. */
export function runSeed (name) {
  const seed = Number(process.env.ROOMTONE_SEED) || Math.floor(Math.random() * 0xffffffff) + 1
  console.log(`${name}: ROOMTONE_SEED=${seed}`)
  return seed
}

/** A small fast generator (splitmix32 mixing): equal seeds give equal streams on every machine. */
export class Chance {
  constructor (seed) {
    this.state = seed >>> 0
  }

  u32 () {
    this.state = (this.state + 0x9e3779b9) >>> 0
    let z = this.state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }

  /** In [0, 1). */
  unit () {
    return this.u32() / 0x100000000
  }

  /** A whole number from `low` to `high`, both included. */
  between (low, high) {
    return low + Math.floor(this.unit() * (high - low + 1))
  }

  oneIn (n) {
    return this.between(1, n) === 1
  }

  pick (list) {
    return list[this.between(0, list.length - 1)]
  }

  bytes (count) {
    const out = new Uint8Array(count)
    for (let i = 0; i < count; i++) out[i] = this.u32()
    return out
  }

  /** An independent stream, so that more draws in one place do not shift every other. */
  fork () {
    return new Chance(this.u32())
  }
}
