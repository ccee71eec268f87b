/**
 * What `cargo xtask chaos` runs: named faults, one after the other, and a table of what they came to.
 *
 *   ROOMTONE_BIN=… node chaos/main.mjs [--list | --check] [--fault NAME]… [--seconds N] [--seed N]
 *
 * `--check` looks at the command line and does nothing: a wrong name is said before minutes of building.
 *
 * Ends with 0 when every bar held, 1 when one did not, 2 when the command line is wrong.
 */
import { parseArgs } from 'node:util'
import { Chance, runSeed } from '../lib/fault-random.mjs'
import { barText, judge, shown, table } from './fault.mjs'
import { FAULTS } from './registry.mjs'

const wrong = (text) => {
  console.error(`chaos: ${text}`)
  process.exit(2)
}

const { values: args } = parseArgs({
  options: { list: { type: 'boolean' }, check: { type: 'boolean' }, fault: { type: 'string', multiple: true }, seconds: { type: 'string' }, seed: { type: 'string' } }
})

if (args.list) {
  const rows = FAULTS.flatMap(({ name, family, about, seconds, inCi, bars }) => [
    [name, `${family}: ${about}${seconds > 0 ? ` (${seconds} s)` : ''}${inCi ? ' [CI]' : ''}`],
    ...Object.entries(bars).filter(([, bar]) => barText(bar)).map(([figure, bar]) => [`  ${figure} ${barText(bar)}`, `  ${bar.what}`])
  ])
  console.log(table(rows))
  process.exit(0)
}

const seconds = args.seconds === undefined ? undefined : Number(args.seconds)
if (seconds !== undefined && !(seconds > 0 && seconds <= 600)) wrong('--seconds takes a number from 1 to 600')
if (args.seed !== undefined) {
  if (!(Number(args.seed) > 0)) wrong('--seed takes a number above 0')
  process.env.ROOMTONE_SEED = args.seed
}
// A whole family by the start of its name.
const chosen = FAULTS.filter(({ name }) => args.fault === undefined || args.fault.some((wanted) => name === wanted || name.startsWith(`${wanted}-`)))
for (const wanted of args.fault ?? []) {
  if (!FAULTS.some(({ name }) => name === wanted || name.startsWith(`${wanted}-`))) wrong(`there is no fault "${wanted}"; --list names them`)
}

if (args.check) process.exit(0)

const seed = runSeed('chaos')
/** @type {import('./fault.mjs').Line[]} */
const lines = []
for (const fault of chosen) {
  const lasts = fault.seconds === 0 ? 0 : seconds ?? fault.seconds
  console.log(`\n── ${fault.name}: ${fault.about}${lasts > 0 ? `, ${lasts} s` : ''}`)
  const began = performance.now()
  try {
    const found = judge(fault, await fault.run({ seconds: lasts, chance: new Chance(seed) }))
    lines.push(...found)
    console.log(table(found.map(({ figure, value, bar, verdict, what }) => ['  ', figure, shown(value), bar, verdict, what]), [2]))
  } catch (error) {
    console.error(error)
    lines.push({ fault: fault.name, figure: 'end', what: String(error instanceof Error ? error.message : error).split('\n')[0].slice(0, 80), value: undefined, bar: '', verdict: 'FAILED' })
  }
  console.log(`── ${fault.name}: ${((performance.now() - began) / 1_000).toFixed(1)} s`)
}
const count = (verdict) => lines.filter((line) => line.verdict === verdict).length
console.log(`\n${table([['fault', 'figure', 'measured', 'bar', '', ''], ...lines.map(({ fault, figure, value, bar, verdict, what }) => [fault, figure, shown(value), bar, verdict, what])], [2])}`)
console.log(`\nseed ${seed}: ${count('ok')} bars held, ${count('FAILED')} failed`)
// What a fault has left open must not keep this process.
process.exit(count('FAILED') > 0 ? 1 : 0)
