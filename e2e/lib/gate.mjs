/**
 * Holds an HTTP proxy of the kind that companies have: plain requests pass, and WebSockets as it is told.
 *
 *   const gate = await Gate.start(server.port)        // or the port of a balancer
 *   gate.upgrades = 'refuse'                          // 'refuse': answered with an error; 'swallow': never answered; 'pass'
 *   sdkClient(gate); gate.refused; await gate.stop()
 */
import { Agent, createServer, request as ask } from 'node:http'
import { connect } from 'node:net'

/** What such proxies say to a request that they do not understand. */
const REFUSAL = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

export class Gate {
  /** @type {'refuse' | 'swallow' | 'pass'} */
  upgrades = 'refuse'
  /** Upgrades that did not get through. */
  refused = 0
  port = 0
  #agent = new Agent({ keepAlive: true, maxFreeSockets: 16 })
  /** @type {Set<import('node:stream').Duplex>} */
  #sockets = new Set()

  get host () { return `127.0.0.1:${this.port}` }
  get http () { return `http://${this.host}` }
  get ws () { return `ws://${this.host}` }

  /** @param {number} targetPort */
  static async start (targetPort) {
    const gate = new Gate()
    gate.targetPort = targetPort
    gate.server = createServer((request, response) => gate.#forward(request, response))
    gate.server.on('upgrade', (request, socket, head) => gate.#upgrade(request, socket, head))
    gate.server.on('connection', (socket) => gate.#track(socket))
    await new Promise((resolve, reject) => {
      gate.server.once('error', reject)
      gate.server.listen(0, '127.0.0.1', () => resolve(undefined))
    })
    gate.port = gate.server.address().port
    return gate
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  #forward (request, response) {
    const { method, url, headers } = request
    const onward = ask({ port: this.targetPort, host: '127.0.0.1', method, path: url, headers, agent: this.#agent }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.on('error', () => response.destroy())
      answer.pipe(response)
    })
    onward.on('error', () => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    })
    // Who asked has gone: the server is to hear of it.
    response.on('close', () => onward.destroy())
    request.on('error', () => onward.destroy())
    request.pipe(onward)
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:stream').Duplex} near @param {Buffer} head */
  #upgrade (request, near, head) {
    near.on('error', () => {})
    if (this.upgrades !== 'pass') {
      this.refused += 1
      if (this.upgrades === 'refuse') near.end(REFUSAL)
      return
    }
    const far = connect({ port: this.targetPort ?? 0, host: '127.0.0.1', noDelay: true })
    this.#track(far)
    far.on('error', () => {})
    far.on('close', () => near.destroy())
    near.on('close', () => far.destroy())
    const lines = [`${request.method} ${request.url} HTTP/1.1`]
    for (let n = 0; n < request.rawHeaders.length; n += 2) lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`)
    far.write(`${lines.join('\r\n')}\r\n\r\n`)
    far.write(head)
    near.pipe(far).pipe(near)
  }

  /** Everything open is reset: the proxy itself was restarted. */
  cut () {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop () {
    const closed = new Promise((resolve) => this.server?.close(resolve))
    this.cut()
    this.#agent.destroy()
    await closed
  }

  /** @param {import('node:stream').Duplex} socket */
  #track (socket) {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
  }
}
