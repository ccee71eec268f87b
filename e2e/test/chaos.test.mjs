/**
 * The short selection of faults: a few seconds each, held to the same bars as `cargo xtask chaos`. Times are given room: other tests
 * run beside these.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge, shown, table } from '../chaos/fault.mjs'
import { FAULTS } from '../chaos/registry.mjs'
import { Chance, runSeed } from '../lib/fault-random.mjs'

const SECONDS = 3
const SLACK = 5

const seed = runSeed('chaos')
for (const fault of FAULTS.filter(({ inCi }) => inCi)) {
  test(`${fault.name}: ${fault.about}`, { timeout: 120_000 }, async () => {
    const lines = judge(fault, await fault.run({ seconds: fault.seconds === 0 ? 0 : SECONDS, chance: new Chance(seed) }), SLACK)
    console.log(table(lines.map(({ figure, value, bar, verdict, what }) => [fault.name, figure, shown(value), bar, verdict, what]), [2]))
    assert.deepEqual(lines.filter(({ verdict }) => verdict === 'FAILED'), [])
  })
}

test('no two faults share a name, and each has a bar', () => {
  assert.equal(new Set(FAULTS.map(({ name }) => name)).size, FAULTS.length)
  assert.deepEqual(FAULTS.filter(({ bars }) => !Object.values(bars).some(({ min, max }) => min !== undefined || max !== undefined)), [])
})
