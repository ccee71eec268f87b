/**
 * A real nginx or HAProxy with the configuration that ships, in front of nodes on free ports; and nodes that only say who they are.
 *
 *   const nodes = await Promise.all([1, 2, 3].map((n) => StubNode.start(`roomtone-${n}`)))
 *   const balancer = await Balancer.start('nginx', nodes.map((node) => node.port))
 *   await balancer.nodeOf('/yjs/room')           // 'roomtone-2', by a plain request
 *   await balancer.socket('/yjs/room')           // { node, url, headers, ws }: by a WebSocket
 *   nodes[0].isReady = false; await nodes[0].stop(); await nodes[0].listen()
 *   await balancer.stop()
 *
 * Of the configuration only ports, addresses and the folder for its own files are other than as shipped.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import WebSocket, { WebSocketServer } from 'ws'
import { freePort } from './server.mjs'
import { until } from './wait.mjs'

const START_MS_MAX = 10_000
const ANSWER_MS_MAX = 5_000
/** The configuration of each, and how it is started. */
const SHIPPED = {
  nginx: { file: 'nginx/roomtone.conf', run: (/** @type {string} */ file) => ['nginx', '-c', file, '-g', 'daemon off;'] },
  haproxy: { file: 'haproxy/haproxy.cfg', run: (/** @type {string} */ file) => ['haproxy', '-W', '-db', '-f', file] }
}
/** @typedef {keyof typeof SHIPPED} BalancerKind */
export const BALANCER_KINDS = /** @type {BalancerKind[]} */ (Object.keys(SHIPPED))

/** Debian keeps both where only root looks. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }

/** Balancers that a test forgot must not outlive it. @type {Set<Balancer>} */
const running = new Set()
process.on('exit', () => {
  for (const balancer of running) balancer.remove()
})

/** A node that serves nothing: it answers with its name and with what it was asked. */
export class StubNode {
  /** @param {string} name */
  constructor (name) {
    this.name = name
    this.port = 0
    this.isReady = true
    this.http = createServer((request, response) => this.#answer(request, response))
    this.sockets = new WebSocketServer({ server: this.http, maxPayload: 64 * 1024 * 1024 })
    this.sockets.on('connection', (socket, request) => {
      socket.send(JSON.stringify({ node: this.name, url: request.url, headers: request.headers }))
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
      socket.on('error', () => {})
    })
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  async #answer (request, response) {
    if (request.url === '/readyz') {
      response.writeHead(this.isReady ? 200 : 503).end()
      return
    }
    let bytes = 0
    for await (const chunk of request) bytes += chunk.length
    response.end(JSON.stringify({ node: this.name, url: request.url, headers: request.headers, bytes }))
  }

  /** @param {string} name */
  static async start (name) {
    const node = new StubNode(name)
    node.port = await freePort()
    await node.listen()
    return node
  }

  async listen () {
    this.http.listen(this.port, '127.0.0.1')
    await once(this.http, 'listening')
  }

  async stop () {
    if (!this.http.listening) return
    const closed = once(this.http, 'close')
    this.http.close()
    this.http.closeAllConnections()
    for (const socket of this.sockets.clients) socket.terminate()
    await closed
  }
}

/**
 * @typedef {{ node: string, url: string, headers: Record<string, string>, bytes?: number }} Answer
 */

export class Balancer {
  /** @param {BalancerKind} kind @param {number[]} ports */
  constructor (kind, ports) {
    this.kind = kind
    this.ports = ports
    this.port = 0
    this.folder = mkdtempSync(path.join(tmpdir(), `roomtone-${kind}-`))
    // nginx' workers are somebody else when it is started by root.
    chmodSync(this.folder, 0o755)
    this.file = path.join(this.folder, path.basename(SHIPPED[kind].file))
    /** @type {import('node:child_process').ChildProcess | null} */
    this.child = null
    running.add(this)
  }

  get host () { return `127.0.0.1:${this.port}` }
  get http () { return `http://${this.host}` }
  get ws () { return `ws://${this.host}` }
  log () { return readFileSync(path.join(this.folder, 'log'), 'utf8') }

  /**
   * @param {BalancerKind} kind
   * @param {number[]} ports of the nodes, at most three
   * @param {{ change?: (text: string) => string, detached?: boolean }} [options] `change`: of the configuration; `detached`: Ctrl-C in the
   * terminal is not for it
   */
  static async start (kind, ports, { change, detached = false } = {}) {
    const found = spawnSync(kind, ['-v'], { env })
    assert.equal(found.error, undefined, `${kind} is not installed: apt-get install ${kind}`)
    const balancer = new Balancer(kind, ports)
    balancer.port = await freePort()
    balancer.configure(change)
    const [program, ...args] = SHIPPED[kind].run(balancer.file)
    // A file: nginx opens its output by name, which Node's pipes do not allow.
    const log = openSync(path.join(balancer.folder, 'log'), 'a')
    const child = spawn(program, args, { env, stdio: ['ignore', log, log], detached })
    closeSync(log)
    balancer.child = child
    await until(async () => {
      assert.equal(child.exitCode, null, `${kind} ended at its start:\n${balancer.log()}`)
      return (await fetch(`${balancer.http}/readyz`)).status === 404
    }, START_MS_MAX, `${kind} to listen`, () => balancer.log())
    return balancer
  }

  /** Writes the shipped configuration for these ports. @param {(text: string) => string} [change] */
  configure (change = (text) => text) {
    let text = readFileSync(new URL(`../../docker/${SHIPPED[this.kind].file}`, import.meta.url), 'utf8')
    const replace = (/** @type {string | RegExp} */ what, /** @type {string} */ by) => {
      const next = text.replaceAll(what, by)
      assert.notEqual(next, text, `${what} stands in ${SHIPPED[this.kind].file}`)
      text = next
    }
    this.ports.forEach((port, n) => replace(`roomtone-${n + 1}:4000`, `127.0.0.1:${port}`))
    // It ships for three.
    text = text.split('\n').filter((line) => !/^ *server .*roomtone-\d:4000/.test(line)).join('\n')
    replace(this.kind === 'nginx' ? / listen 8080/g : / bind :8080/g, ` ${this.kind === 'nginx' ? 'listen' : 'bind'} ${this.host}`)
    replace('/tmp/', `${this.folder}/`)
    writeFileSync(this.file, change(text))
  }

  /** The old worker goes on for its sockets, a new one takes what comes. */
  async reload () {
    const workers = () => spawnSync('pgrep', ['-P', String(this.child?.pid)], { encoding: 'utf8' }).stdout.trim().split('\n')
    const before = workers()
    this.child?.kill('SIGHUP')
    await until(() => workers().some((pid) => !before.includes(pid)), START_MS_MAX, 'a new worker')
  }

  /** One command over HAProxy's own socket. @param {string} line @returns {Promise<string>} */
  command (line) {
    return new Promise((resolve, reject) => {
      const socket = connect(path.join(this.folder, 'haproxy.sock'))
      let answer = ''
      socket.on('data', (chunk) => { answer += chunk }).once('end', () => resolve(answer)).once('error', reject)
      socket.write(`${line}\n`)
    })
  }

  /** @param {string} address @param {RequestInit} [init] @returns {Promise<Answer>} */
  async ask (address, init) {
    const response = await fetch(this.http + address, { ...init, signal: AbortSignal.timeout(ANSWER_MS_MAX) })
    assert.equal(response.status, 200, `${address} through ${this.kind}:\n${this.log()}`)
    return /** @type {Answer} */ (await response.json())
  }

  /** @param {string} address */
  async nodeOf (address) { return (await this.ask(address)).node }

  /** @param {string} address @returns {Promise<Answer & { ws: WebSocket }>} */
  async socket (address) {
    const ws = new WebSocket(this.ws + address, { handshakeTimeout: ANSWER_MS_MAX })
    const [data] = await once(ws, 'message')
    return { ...JSON.parse(String(data)), ws }
  }

  async stop () {
    const child = this.child
    if (child && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    }
    this.remove()
  }

  remove () {
    this.child?.kill('SIGTERM')
    rmSync(this.folder, { recursive: true, force: true })
    running.delete(this)
  }
}
