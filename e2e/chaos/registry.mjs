/** Every fault, in the order in which they run. */
import { faults as clocks } from './clocks.mjs'
import { faults as messages } from './messages.mjs'
import { faults as nodes } from './nodes.mjs'
import { faults as postgres } from './postgres.mjs'
import { faults as presence } from './presence.mjs'
import { faults as redis } from './redis.mjs'
import { faults as relay } from './relay.mjs'

/** @type {import('./fault.mjs').Fault[]} */
export const FAULTS = [...redis, ...postgres, ...nodes, ...presence, ...clocks, ...messages, ...relay]
