/**
 * The server under test, as a child process on a free port with a data folder of its own.
 *
 *   const server = await Server.start({ open: true })                      // roomtone serve --open
 *   const server = await Server.start({ jwtSecret: 's', allowOrigins: ['https://app.example'] })
 *   const server = await Server.start({ env: { LD_PRELOAD: '/path/fault.so' }, args: ['--flag'] })
 *   server.http, server.ws, server.host, server.port, server.dir, server.pid, server.log()
 *   await server.restart()             // SIGKILL and start again: same port, same data
 *   await server.restart('SIGTERM')    // the polite way
 *   await server.kill()                // SIGKILL; the data stays until stop()
 *   await server.stop()                // SIGTERM, exit code 0, no panic in the log, data removed
 *
 * `ROOMTONE_BIN` names the binary. `reportFailure(server)` is an `afterEach` hook that prints the end of the log.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from './wait.mjs'

const READY_MS_MAX = 20_000
// A drain over the window that nodes have by default, and then the stop itself.
const STOP_MS_MAX = 25_000
const TAIL_LINES = 60
/** Linux counts CPU in these, whatever the machine. */
const CLOCK_TICKS_PER_S = 100
// Below the range that the kernel hands out for outgoing sockets, so that no client takes the port first.
const PORT_MIN = 20_000
const PORT_MAX = 32_000

/** @param {number} port */
const isFree = (port) => new Promise((resolve) => {
  const probe = createServer()
  probe.once('error', () => resolve(false))
  probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
})

/** @returns {Promise<number>} */
export async function freePort () {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN))
    if (await isFree(port)) return port
  }
}

/**
 * @typedef {object} ServerOptions
 * @property {boolean} [open] anyone may do anything; the default when there is no `jwtSecret`
 * @property {string} [jwtSecret]
 * @property {string[]} [allowOrigins]
 * @property {string[]} [args] further arguments
 * @property {Record<string, string>} [env] further environment
 * @property {boolean} [detached] Ctrl-C in the terminal is not for it
 * @property {boolean} [keepData] do not remove the data folder at stop
 */

/** Servers that a test forgot must not outlive it. @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class Server {
  /** @param {ServerOptions} options */
  constructor (options) {
    this.options = options
    this.port = 0
    this.dir = ''
    /** @type {string[]} */
    this.chunks = []
    /** @type {import('node:child_process').ChildProcess | null} */
    this.child = null
  }

  get host () { return `127.0.0.1:${this.port}` }
  get http () { return `http://${this.host}` }
  get ws () { return `ws://${this.host}` }
  get pid () { return this.child?.pid }

  /** All that it has written to stdout and stderr, over every start. */
  log () { return this.chunks.join('') }

  tail (lines = TAIL_LINES) { return this.log().trimEnd().split('\n').slice(-lines).join('\n') }

  /**
   * @param {ServerOptions} [options]
   * @returns {Promise<Server>}
   */
  static async start (options = {}) {
    const server = new Server(options)
    server.port = await freePort()
    server.dir = await mkdtemp(path.join(tmpdir(), 'roomtone-e2e-'))
    await server.#spawn()
    return server
  }

  async #spawn () {
    const bin = process.env.ROOMTONE_BIN
    assert.ok(bin, 'ROOMTONE_BIN must name the server binary (cargo build --bin roomtone)')
    const { open, jwtSecret, allowOrigins = [], args = [], env = {}, detached = false } = this.options
    const all = ['serve', '--listen', this.host, '--data', this.dir]
    if (open ?? jwtSecret === undefined) all.push('--open')
    if (jwtSecret !== undefined) all.push('--jwt-secret', jwtSecret)
    for (const origin of allowOrigins) all.push('--allow-origin', origin)
    all.push(...args)
    const child = spawn(bin, all, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached })
    this.child = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    /** @type {Error | null} */
    let spawnError = null
    child.once('error', (error) => { spawnError = error })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (chunk) => this.chunks.push(chunk))
    }
    try {
      await until(async () => {
        if (spawnError) return true
        if (child.exitCode !== null || child.signalCode !== null) return true
        const response = await fetch(`${this.http}/readyz`, { signal: AbortSignal.timeout(2_000) })
        return response.status === 200
      }, READY_MS_MAX, 'the server to be ready')
      if (spawnError) throw spawnError
      assert.ok(this.isRunning(), `the server ended at its start (code ${child.exitCode}, signal ${child.signalCode})`)
    } catch (error) {
      child.kill('SIGKILL')
      throw new Error(`${error instanceof Error ? error.message : error}\n--- server log ---\n${this.tail()}`)
    }
  }

  isRunning () { return this.child !== null && this.child.exitCode === null && this.child.signalCode === null }

  /**
   * @param {NodeJS.Signals} signal
   * @returns {Promise<{ code: number | null, signal: string | null }>}
   */
  async #end (signal) {
    const child = this.child
    if (child === null) return { code: 0, signal: null }
    if (this.isRunning()) {
      const exited = once(child, 'exit')
      child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
      await exited
      clearTimeout(timer)
    }
    return { code: child.exitCode, signal: child.signalCode }
  }

  /** The power goes: nothing is flushed, nothing is said. */
  async kill () {
    await this.#end('SIGKILL')
  }

  /** It stands still and says nothing: its sockets stay open. */
  pause () { this.child?.kill('SIGSTOP') }
  resume () { this.child?.kill('SIGCONT') }

  /** @param {NodeJS.Signals} [signal] @param {number} [awayMs] before it starts again */
  async restart (signal = 'SIGKILL', awayMs = 0) {
    const end = await this.#end(signal)
    if (signal === 'SIGTERM') assert.equal(end.code, 0, `exit after SIGTERM: ${JSON.stringify(end)}\n${this.tail()}`)
    if (awayMs > 0) await new Promise((resolve) => setTimeout(resolve, awayMs))
    await this.#spawn()
  }

  /** Starts it again after `kill()`. */
  async revive () {
    assert.ok(!this.isRunning(), 'revive() is for a server that was killed')
    await this.#spawn()
  }

  async stop () {
    const ranUntilNow = this.isRunning()
    const killed = this.child?.signalCode === 'SIGKILL'
    const end = await this.#end('SIGTERM')
    if (!this.options.keepData) await rm(this.dir, { recursive: true, force: true })
    assert.ok(!/panicked/.test(this.log()), `the server panicked:\n${this.tail()}`)
    if (ranUntilNow) assert.equal(end.code, 0, `exit after SIGTERM: ${JSON.stringify(end)}\n--- server log ---\n${this.tail()}`)
    else assert.ok(killed, `the server ended by itself: ${JSON.stringify(end)}\n--- server log ---\n${this.tail()}`)
  }

  /**
   * @param {string} pathname
   * @param {RequestInit} [init]
   */
  fetch (pathname, init) {
    return fetch(this.http + pathname, init)
  }

  /** The sum of all samples of a metric; 0 where it has none yet. @param {string} name @param {string} [labels] what its labels contain */
  async metric (name, labels = '') {
    const lines = (await (await this.fetch('/metrics')).text()).split('\n')
    const samples = lines.filter((line) => line.split(/[ {]/)[0] === name && line.includes(labels))
    return samples.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  /** CPU that it has taken since its start, in seconds, where the platform tells it. */
  async cpuSeconds () {
    const { readFile } = await import('node:fs/promises')
    const fields = (await readFile(`/proc/${this.pid}/stat`, 'utf8')).split(') ')[1].split(' ')
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_S
  }

  /** Resident memory in bytes, where the platform tells it. */
  async rssBytes () {
    const { readFile } = await import('node:fs/promises')
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024
  }
}

/**
 * An `afterEach` hook: prints the end of the server's log below a test that failed.
 *
 * @param {() => Server | undefined} server
 */
export const reportFailure = (server) => (/** @type {any} */ t) => {
  const subject = server()
  if (subject && t.passed === false) console.error(`--- server log after "${t.name}" ---\n${subject.tail()}`)
}
