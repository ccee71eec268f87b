/**
 * Several nodes over one PostgreSQL and one Redis, all of them real processes on free ports.
 *
 *   const cluster = await Cluster.start(2)
 *   const cluster = await Cluster.start(2, { hasRedis: false })   // the store alone connects them
 *   cluster.nodes[0]                        // a Server, see server.mjs
 *   await cluster.redis.kill(); await cluster.redis.start()
 *   cluster.postgres.pause(); cluster.postgres.resume()
 *   await cluster.stop()
 *
 *   const cluster = await Cluster.start(3, { redis: false })                 // PostgreSQL alone
 *   const cluster = await Cluster.start(2, { links: true })                  // each node behind proxies of its own
 *   cluster.links[0].redis.swallow(); cluster.links[1].postgres.cut()
 *   const cluster = await Cluster.start(2, { envOf: (n) => n === 0 ? { LD_PRELOAD: 'clock.so' } : {} })
 * Nodes stop at once, with no window for their clients: `env` or `atOnce: false` says otherwise.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Proxy } from './proxy.mjs'
import { Server, freePort } from './server.mjs'
import { until } from './wait.mjs'

const START_MS_MAX = 20_000

/** Services that a test forgot must not outlive it. @type {Set<Service>} */
const running = new Set()
process.on('exit', () => {
  for (const service of running) service.remove()
})

/** @param {number} port */
const isListening = (port) => new Promise((resolve) => {
  const socket = createConnection({ port, host: '127.0.0.1' })
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  socket.once('close', () => socket.destroy()).once('connect', () => socket.end())
})

/** @param {number} pid @returns {number[]} */
function childrenOf (pid) {
  let list
  try {
    // At once: a program that is started to find out would hold up whoever measures time here.
    list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  } catch {
    list = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).stdout
  }
  return list.split(/\s+/).filter(Boolean).map(Number)
}

/** A process that is not ours. It can be killed, paused and started again on the same port with the same data. */
class Service {
  /** @param {string} name @param {number} port @param {boolean} [detached] Ctrl-C in the terminal is not for it */
  constructor (name, port, detached = false) {
    this.port = port
    this.detached = detached
    this.folder = mkdtempSync(path.join(tmpdir(), `roomtone-${name}-`))
    /** @type {string[]} */
    this.command = []
    /** @type {import('node:child_process').ChildProcess | null} */
    this.child = null
    running.add(this)
  }

  async start () {
    const [program, ...args] = this.command
    const child = spawn(program, args, { stdio: 'ignore', detached: this.detached })
    this.child = child
    await until(async () => {
      assert.equal(child.exitCode, null, `${program} ended at its start`)
      return await isListening(this.port)
    }, START_MS_MAX, `${program} to listen`)
  }

  /** To it and to its children: PostgreSQL has a process for each connection. @param {NodeJS.Signals} signal */
  signal (signal) {
    const pid = this.child?.pid
    if (pid === undefined || this.child?.exitCode !== null) return
    for (const each of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(each, signal)
      } catch {
        // It has just ended.
      }
    }
  }

  pause () { this.signal('SIGSTOP') }
  resume () { this.signal('SIGCONT') }

  async kill () { await this.#end(() => this.signal('SIGKILL')) }

  /** The polite end, of which its own children hear from it. @param {NodeJS.Signals} signal */
  async shutDown (signal) { await this.#end(() => this.child?.kill(signal)) }

  /** @param {() => void} tell */
  async #end (tell) {
    const child = this.child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    tell()
    await exited
  }

  remove () {
    this.signal('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
    running.delete(this)
  }
}

/** @param {boolean} [detached] */
async function startRedis (detached) {
  const service = new Service('redis', await freePort(), detached)
  service.command = ['redis-server', '--port', String(service.port), '--bind', '127.0.0.1', '--dir', service.folder,
    '--save', '', '--appendonly', 'no']
  await service.start()
  return service
}

/** Debian keeps each version in a folder of its own. */
function postgresFolder () {
  const versions = '/usr/lib/postgresql'
  const newest = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(a) - Number(b)).at(-1) : undefined
  assert.ok(newest, 'PostgreSQL is not installed: apt-get install postgresql')
  return path.join(versions, newest, 'bin')
}

/** With `isStarted: false` it is made, and starts with `start()`. @param {{ isStarted?: boolean, detached?: boolean }} [options] */
export async function makePostgres ({ isStarted = true, detached } = {}) {
  const service = new Service('postgres', await freePort(), detached)
  const bin = postgresFolder()
  const data = path.join(service.folder, 'data')
  // PostgreSQL does not run as root, and no other user needs to change.
  const isRoot = process.getuid?.() === 0
  const as = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--'] : []
  if (isRoot) execFileSync('chown', ['postgres:', service.folder])
  const run = [...as, `${bin}/initdb`, '--no-sync', '--auth=trust', '--encoding=UTF8', '--locale=C', '--username=roomtone', '-D', data]
  execFileSync(run[0], run.slice(1), { stdio: 'ignore' })
  service.command = [...as, `${bin}/postgres`, '-D', data, '-p', String(service.port), '-h', '127.0.0.1', '-k', service.folder]
  if (!isStarted) return service
  await service.start()
  // It listens before it takes anybody in.
  const isReady = () => spawnSync(`${bin}/pg_isready`, ['-h', '127.0.0.1', '-p', String(service.port)]).status === 0
  await until(isReady, START_MS_MAX, 'PostgreSQL to be ready')
  return service
}

/** @param {{ port: number }} postgres the service, or a proxy before it */
export const storeOf = (postgres) => `postgres://roomtone@127.0.0.1:${postgres.port}/postgres?sslmode=disable`

/**
 * @typedef {object} ClusterOptions
 * @property {boolean} [atOnce] false for nodes that let their clients go over the window that is the default
 * @property {boolean} [redis] false for nodes that have nothing but PostgreSQL
 * @property {boolean} [links] a proxy of its own between each node and each service
 * @property {(n: number) => Record<string, string>} [envOf] further environment of the n-th node
 *
 * @typedef {{ redis: Proxy | null, postgres: Proxy }} Links
 */

/** One that was not started, for a cluster without it. */
const ABSENT = { port: 0, kill: async () => {}, remove: () => {} }

export class Cluster {
  /** @param {Service} postgres @param {Service} redis @param {Server[]} nodes @param {Links[]} links */
  constructor (postgres, redis, nodes, links) {
    this.postgres = postgres
    this.redis = redis
    this.nodes = nodes
    this.links = links
  }

  /** @param {number} nodesCount @param {import('./server.mjs').ServerOptions & ClusterOptions} [options] */
  static async start (nodesCount, { atOnce = true, redis: hasRedis = true, links: hasLinks = false, envOf = () => ({}), ...options } = {}) {
    const [postgres, redis] = await Promise.all([makePostgres({ detached: options.detached }), hasRedis ? startRedis(options.detached) : /** @type {any} */ (ABSENT)])
    /** @type {Links[]} */
    const links = []
    for (let n = 0; hasLinks && n < nodesCount; n++) {
      links.push({ redis: hasRedis ? await Proxy.start(redis.port) : null, postgres: await Proxy.start(postgres.port) })
    }
    const start = (/** @type {number} */ n) => Server.start({
      ...options,
      env: {
        ...(atOnce ? { ROOMTONE_DRAIN_WINDOW_MS: '0' } : {}),
        ...options.env,
        ROOMTONE_STORE: storeOf(links[n]?.postgres ?? postgres),
        ...(hasRedis ? { ROOMTONE_REDIS: `redis://127.0.0.1:${links[n]?.redis?.port ?? redis.port}` } : {}),
        ...envOf(n)
      }
    })
    const starts = await Promise.allSettled(Array.from({ length: nodesCount }, (_, n) => start(n)))
    const cluster = new Cluster(postgres, redis, starts.flatMap((start) => start.status === 'fulfilled' ? [start.value] : []), links)
    const failure = starts.find((start) => start.status === 'rejected')
    if (failure) {
      // What runs would keep the test process alive.
      await cluster.stop()
      throw failure.reason
    }
    return cluster
  }

  async stop () {
    // All of it, whatever one of them says about its end.
    const ends = await Promise.allSettled(this.nodes.map((node) => node.stop()))
    for (const { redis, postgres } of this.links) await Promise.all([redis?.stop(), postgres.stop()])
    await this.redis.kill()
    await this.postgres.kill()
    this.redis.remove()
    this.postgres.remove()
    const failure = ends.find((end) => end.status === 'rejected')
    if (failure) throw failure.reason
  }
}
