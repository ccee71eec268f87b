/**
 * What `cargo xtask cluster` runs: real nodes, Redis, PostgreSQL and a load balancer on free loopback ports, until Ctrl-C.
 *
 *   ROOMTONE_BIN=… node chaos/cluster.mjs [--nodes N] [--no-redis] [--balancer nginx|haproxy|none] [--minutes N]
 */
import { parseArgs } from 'node:util'
import { BALANCER_KINDS, Balancer } from '../lib/balancer.mjs'
import { Cluster } from '../lib/cluster.mjs'
import { table } from './fault.mjs'

/** Both configurations ship with places for three. */
const BALANCED_NODES_COUNT_MAX = 3
const NODES_COUNT_MAX = 9
const MINUTES_MAX = 24 * 60
const WATCH_MS = 500
/** What a node says is passed on from this level up. */
const TROUBLE = /\b(WARN|ERROR)\b|panicked/
/** What is said above in other words. */
const KNOWN = /no authentication:/

const wrong = (text) => {
  console.error(`cluster: ${text}`)
  process.exit(2)
}

const { values: args } = parseArgs({
  options: { nodes: { type: 'string', default: '3' }, 'no-redis': { type: 'boolean' }, balancer: { type: 'string', default: 'nginx' }, minutes: { type: 'string' } }
})
const nodesCount = Number(args.nodes)
if (!Number.isInteger(nodesCount) || nodesCount < 1 || nodesCount > NODES_COUNT_MAX) wrong(`--nodes takes a number from 1 to ${NODES_COUNT_MAX}`)
const kind = BALANCER_KINDS.find((known) => known === args.balancer)
if (!kind && args.balancer !== 'none') wrong(`--balancer takes ${BALANCER_KINDS.join(', ')} or none`)
if (kind && nodesCount > BALANCED_NODES_COUNT_MAX) wrong(`the balancer configurations that ship have places for ${BALANCED_NODES_COUNT_MAX} nodes: take --balancer none for more`)
const minutes = args.minutes === undefined ? undefined : Number(args.minutes)
if (minutes !== undefined && !(minutes > 0 && minutes <= MINUTES_MAX)) wrong(`--minutes takes a number above 0, at most ${MINUTES_MAX}`)

const { promise: told, resolve: stop } = (() => {
  let resolve
  const promise = new Promise((r) => { resolve = r })
  return { promise, resolve }
})()
// The first one ends it politely and in order, which is why the others are not to hear of it; the second one ends it at once.
for (const signal of ['SIGINT', 'SIGTERM']) {
  let count = 0
  process.on(signal, () => {
    if (++count > 1) process.exit(130)
    stop(signal)
  })
}

const cluster = await Cluster.start(nodesCount, { redis: !args['no-redis'], detached: true })
const balancer = kind ? await Balancer.start(kind, cluster.nodes.map(({ port }) => port), { detached: true }) : null
const front = balancer ?? cluster.nodes[0]
console.log(`\n${table([
  ...(balancer ? [[balancer.kind, balancer.http, 'every address of a room leads to one node']] : []),
  ...cluster.nodes.map((node, n) => [`node ${n + 1}`, node.http, `pid ${node.pid}, metrics at /metrics`]),
  ['PostgreSQL', `postgres://roomtone@127.0.0.1:${cluster.postgres.port}/postgres`, `pid ${cluster.postgres.child?.pid}`],
  ['Redis', args['no-redis'] ? 'none' : `redis://127.0.0.1:${cluster.redis.port}`, args['no-redis'] ? 'nodes have PostgreSQL alone' : `pid ${cluster.redis.child?.pid}`],
  ['', '', ''],
  ['y-websocket', `${front.ws}/yjs`, 'room name behind it'],
  ['Hocuspocus', `${front.ws}/hocuspocus`, balancer ? 'with ?room=NAME, for the balancer' : ''],
  ['y-sweet', `POST ${front.http}/doc/new`, '']
].map((row) => ['', ...row]))}\n\nIt is open to everybody on this machine, and keeps nothing. Warnings and errors of the nodes follow. Ctrl-C stops it.\n`)

/** The begun last line of each node's log, and which nodes have ended. */
const carry = cluster.nodes.map(() => '')
const ended = new Set()
const watch = setInterval(() => {
  cluster.nodes.forEach((node, n) => {
    const log = node.chunks.splice(0).join('')
    // A line may come in two parts.
    const lines = (carry[n] + log).split('\n')
    carry[n] = lines.pop() ?? ''
    for (const line of lines) if (TROUBLE.test(line) && !KNOWN.test(line)) console.log(`node ${n + 1}  ${line}`)
    if (!node.isRunning() && !ended.has(n)) {
      ended.add(n)
      console.log(`node ${n + 1}  ended: code ${node.child?.exitCode}, signal ${node.child?.signalCode}`)
    }
  })
}, WATCH_MS)

const timer = minutes === undefined ? undefined : setTimeout(() => stop('time'), minutes * 60_000)
await told
clearTimeout(timer)
clearInterval(watch)
console.log('\nstopping …')
await balancer?.stop()
await cluster.stop().catch((error) => console.error(`cluster: ${error.message}`))
process.exit(0)
