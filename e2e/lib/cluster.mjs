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
 * Nodes stop at once, with no window for their clients: `env` or the third argument says otherwise.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
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

/** A process that is not ours. It can be killed, paused and started again on the same port with the same data. */
class Service {
  /** @param {string} name @param {number} port */
  constructor (name, port) {
    this.port = port
    this.folder = mkdtempSync(path.join(tmpdir(), `roomtone-${name}-`))
    /** @type {string[]} */
    this.command = []
    /** @type {import('node:child_process').ChildProcess | null} */
    this.child = null
    running.add(this)
  }

  async start () {
    const [program, ...args] = this.command
    const child = spawn(program, args, { stdio: 'ignore' })
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
    const children = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).stdout.trim().split('\n').filter(Boolean)
    for (const each of [pid, ...children.map(Number)]) {
      try {
        process.kill(each, signal)
      } catch {
        // It has just ended.
      }
    }
  }

  pause () { this.signal('SIGSTOP') }
  resume () { this.signal('SIGCONT') }

  async kill () {
    const child = this.child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    this.signal('SIGKILL')
    await exited
  }

  remove () {
    this.signal('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
    running.delete(this)
  }
}

async function startRedis () {
  const service = new Service('redis', await freePort())
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

/** With `isStarted: false` it is made, and starts with `start()`. */
export async function makePostgres ({ isStarted = true } = {}) {
  const service = new Service('postgres', await freePort())
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

/** @param {Service} postgres */
export const storeOf = (postgres) => `postgres://roomtone@127.0.0.1:${postgres.port}/postgres?sslmode=disable`

export class Cluster {
  /** @param {Service} postgres @param {Service | null} redis @param {Server[]} nodes */
  constructor (postgres, redis, nodes) {
    this.postgres = postgres
    this.maybeRedis = redis
    this.nodes = nodes
  }

  /** @returns {Service} */
  get redis () {
    assert.ok(this.maybeRedis, 'this cluster has no Redis')
    return this.maybeRedis
  }

  /** @param {number} nodesCount @param {import('./server.mjs').ServerOptions & { hasRedis?: boolean }} [options] @param {boolean} [atOnce] */
  static async start (nodesCount, { hasRedis = true, ...options } = {}, atOnce = true) {
    const [postgres, redis] = await Promise.all([makePostgres(), hasRedis ? startRedis() : null])
    const env = {
      ...(atOnce ? { ROOMTONE_DRAIN_WINDOW_MS: '0' } : {}),
      ...options.env,
      ROOMTONE_STORE: storeOf(postgres),
      ...(redis && { ROOMTONE_REDIS: `redis://127.0.0.1:${redis.port}` })
    }
    const starts = await Promise.allSettled(Array.from({ length: nodesCount }, () => Server.start({ ...options, env })))
    const cluster = new Cluster(postgres, redis, starts.flatMap((start) => start.status === 'fulfilled' ? [start.value] : []))
    const failure = starts.find((start) => start.status === 'rejected')
    if (failure) {
      // What runs would keep the test process alive.
      await cluster.stop()
      throw failure.reason
    }
    return cluster
  }

  async stop () {
    for (const node of this.nodes) await node.stop()
    for (const service of [this.maybeRedis, this.postgres]) {
      await service?.kill()
      service?.remove()
    }
  }
}
