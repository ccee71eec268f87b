/**
 * Holds a TCP proxy whose connections can be cut, frozen or made half-open: the networks that clients really have.
 */
import { createServer, connect } from 'node:net'

/** How a pair of sockets behaves. `pass`: bytes flow. `freeze`: bytes wait, nothing closes. */
export class Proxy {
  #pairs = new Set()
  #frozen = false

  static async start (targetPort) {
    const proxy = new Proxy()
    proxy.targetPort = targetPort
    proxy.server = createServer({ allowHalfOpen: true }, (near) => proxy.#join(near))
    await new Promise((resolve, reject) => {
      proxy.server.once('error', reject)
      proxy.server.listen(0, '127.0.0.1', resolve)
    })
    proxy.port = proxy.server.address().port
    return proxy
  }

  get connections () {
    return this.#pairs.size
  }

  /** Bytes stop in both directions and no side hears of it: a laptop that went to sleep. */
  freeze () {
    this.#frozen = true
    for (const { near, far } of this.#pairs) {
      near.pause()
      far.pause()
    }
  }

  thaw () {
    this.#frozen = false
    for (const { near, far } of this.#pairs) {
      near.resume()
      far.resume()
    }
  }

  /** Both sides are reset: a cable pulled with the router's honest answer. */
  cut () {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }

  /** The client's side is closed and the server is never told: a phone that changed networks. */
  orphanServerSide () {
    for (const pair of this.#pairs) {
      pair.orphan = true
      pair.near.resetAndDestroy()
      pair.far.pause()
    }
  }

  async stop () {
    for (const { near, far } of this.#pairs) {
      near.destroy()
      far.destroy()
    }
    await new Promise((resolve) => this.server.close(resolve))
  }

  #join (near) {
    const far = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true })
    const pair = { near, far, orphan: false }
    this.#pairs.add(pair)
    near.setNoDelay(true)
    far.setNoDelay(true)
    const flow = (from, to) => {
      from.on('data', (bytes) => {
        if (to.writable && !to.write(bytes)) {
          from.pause()
          to.once('drain', () => this.#frozen || from.resume())
        }
      })
      from.on('end', () => pair.orphan || to.end())
      from.on('error', () => {})
      from.on('close', () => {
        if (!pair.orphan) to.destroy()
        if (near.destroyed && far.destroyed) this.#pairs.delete(pair)
      })
    }
    flow(near, far)
    flow(far, near)
    if (this.#frozen) {
      near.pause()
      far.pause()
    }
  }
}
