/**
 * Holds a TCP proxy whose connections can be cut, frozen or made half-open: the networks that clients really have.
 */
import { once } from 'node:events'
import { createServer, connect } from 'node:net'

/**
 * Resets a connection. `resetAndDestroy()` shuts it down first, and who destroys it in between leaves a handle that node waits for at the
 * end of the process, for ever. So it is reset at once, and only closed where it is being shut down already.
 *
 * @param {import('node:net').Socket} socket
 */
function reset (socket) {
  if (!socket.connecting && !socket.writableEnded) Object.assign(socket, { resetAndClosing: true })
  socket.destroy()
}

/** `freeze`: bytes wait, nothing closes. `swallow`: they are lost, nothing closes. `cut`: all is reset. `refuse`: nobody listens. */
export class Proxy {
  #pairs = new Set()
  #frozen = false
  #swallowing = false
  /** How long every byte is on its way, in each direction. */
  delay_ms = 0

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
      reset(near)
      reset(far)
    }
  }

  /** The client's side is closed and the server is never told: a phone that changed networks. */
  orphanServerSide () {
    for (const pair of this.#pairs) {
      pair.orphan = true
      reset(pair.near)
      pair.far.pause()
    }
  }

  /** Bytes vanish in both directions and no side hears of it; so do those of who connects from now on. */
  swallow () {
    this.#swallowing = true
    for (const pair of this.#pairs) pair.dead = true
  }

  /** Who connects from now on gets through. What was open stays dead: the router in between has forgotten it. */
  restore () { this.#swallowing = false }

  /** Everything open is reset, and nobody listens. */
  refuse () {
    this.server.close()
    this.cut()
  }

  /** Listens again, on the same port. */
  async accept () {
    this.server.listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
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
    const pair = { near, far, orphan: false, dead: this.#swallowing }
    this.#pairs.add(pair)
    near.setNoDelay(true)
    far.setNoDelay(true)
    const flow = (from, to) => {
      from.on('data', (bytes) => {
        if (pair.dead) return
        if (this.delay_ms > 0) return setTimeout(() => to.writable && !pair.dead && to.write(bytes), this.delay_ms)
        if (to.writable && !to.write(bytes)) {
          from.pause()
          to.once('drain', () => this.#frozen || from.resume())
        }
      })
      from.on('end', () => pair.orphan || pair.dead || setTimeout(() => to.end(), this.delay_ms))
      from.on('error', () => {})
      from.on('close', () => {
        if (!pair.orphan && !pair.dead) setTimeout(() => to.destroy(), this.delay_ms)
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
