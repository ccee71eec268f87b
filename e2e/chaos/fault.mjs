/**
 * What a fault is: a name, what happens, the bars that its figures are held to, and the work that gives the figures.
 *
 * @typedef {object} Bar
 * @property {string} what the figure tells, in a few words
 * @property {number} [max] the figure must not be above it; without one it is told and not judged
 * @property {number} [min] nor below this one: a fault that did not happen shows nothing
 * @property {boolean} [isTime] milliseconds that a busy machine stretches
 * @property {boolean} [isBench] judged only with ROOMTONE_BAR=1: it says something on a machine with nothing else to do
 *
 * @typedef {object} Fault
 * @property {string} name
 * @property {string} family the heading under which it stands
 * @property {string} about what happens
 * @property {number} seconds how long it lasts, where nobody says otherwise; 0 where its length means nothing
 * @property {boolean} [inCi] whether the short selection has it
 * @property {Record<string, Bar>} bars by the name of their figure; a name that ends in _ms is in milliseconds
 * @property {(context: { seconds: number, chance: import('../lib/fault-random.mjs').Chance }) => Promise<Record<string, number>>} run
 *
 * @typedef {{ fault: string, figure: string, what: string, value: number | undefined, bar: string, verdict: 'ok' | 'FAILED' | 'told' }} Line
 */

/** Bars that several faults share. @type {Record<string, Bar>} */
export const LOST = { what: 'promised edits that are gone', max: 0 }
export const DOUBLED = { what: 'edits that stand twice', max: 0 }
export const RECONNECTS = { what: 'sockets that clients had to open anew', max: 0 }
export const LAG = { what: 'longest pause of the measuring process itself' }

/** Repeats something, one after the other, until the function that it gives back is called. @param {number} ms @param {() => unknown} work */
export function every (ms, work) {
  /** @type {Promise<unknown>} */
  let runs = Promise.resolve()
  const timer = setInterval(() => { runs = runs.then(work) }, ms)
  return async () => {
    clearInterval(timer)
    await runs
  }
}

/** @param {Bar} bar */
export const barText = ({ max, min }) => [min === undefined ? '' : `≥ ${min}`, max === undefined ? '' : `≤ ${max}`].filter(Boolean).join(', ')

/**
 * Holds figures to their bars. `slack` stretches what is measured in time.
 *
 * @param {Fault} fault @param {Record<string, number>} figures @param {number} [slack]
 * @returns {Line[]}
 */
export function judge (fault, figures, slack = 1) {
  const unknown = Object.keys(figures).filter((figure) => !(figure in fault.bars))
  if (unknown.length > 0) throw new Error(`${fault.name}: nothing says what these figures are: ${unknown}`)
  return Object.entries(fault.bars).map(([figure, bar]) => {
    const value = figures[figure]
    const isJudged = (bar.max !== undefined || bar.min !== undefined) && (!bar.isBench || process.env.ROOMTONE_BAR === '1')
    const holds = value !== undefined && value <= (bar.max ?? Infinity) * (bar.isTime ? slack : 1) && value >= (bar.min ?? -Infinity)
    const verdict = !isJudged ? 'told' : holds ? 'ok' : 'FAILED'
    return { fault: fault.name, figure, what: bar.what, value, bar: barText(bar), verdict }
  })
}

/** @param {number | undefined} value */
export const shown = (value) => value === undefined ? '-' : String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)))

/** Lines with their columns below each other. @param {string[][]} rows @param {number[]} [right] columns that hold numbers */
export function table (rows, right = []) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) => row.map((cell, column) => right.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])).join('  ').trimEnd()).join('\n')
}
