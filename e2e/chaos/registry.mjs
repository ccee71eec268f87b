/** Every fault, in the order in which they run. */
import { faults as redis } from './redis.mjs'

/** @type {import('./fault.mjs').Fault[]} */
export const FAULTS = [...redis]
