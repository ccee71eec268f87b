/**
 * An attacker of its own process: what can be done to a server below the level of its messages.
 *
 * Forked by test/hostile.test.mjs with one JSON argument `{ port, room }`. Answers with one message: a list of
 * `{ name, outcome, ms, detail }`, where `outcome` is `cut` (the server ended the connection), `held` (it was still
 * open when the attack's patience ended) or `answered` (an HTTP response came first; `detail` is its status line or,
 * after an upgrade, the close code).
 */
import { connect } from 'node:net'
import { setPriority } from 'node:os'

setPriority(10)

const { port, room } = JSON.parse(process.argv[2])
const UPGRADE = [`GET /yjs/${room} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13', '', ''].join('\r\n')
const SYNC_STEP_1 = Buffer.of(0, 0, 1, 0)

/** A client frame, right unless told otherwise. `length` is what the header claims. */
function frame (opcode, payload = Buffer.alloc(0), { fin = true, reserved = 0, masked = true, length = BigInt(payload.length) } = {}) {
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | opcode]
  const mask = masked ? 0x80 : 0
  if (length < 126n) head.push(mask | Number(length))
  else if (length < 65_536n) head.push(mask | 126, Number(length >> 8n), Number(length & 255n))
  else head.push(mask | 127, ...Array.from({ length: 8 }, (_, i) => Number((length >> BigInt(56 - 8 * i)) & 255n)))
  // A mask of zeros is a legal mask and leaves the payload as it is.
  return Buffer.concat([Buffer.from(head), masked ? Buffer.alloc(4) : Buffer.alloc(0), payload])
}

/** What a server frame at the start of `bytes` says, or null when there is no whole one. */
function readFrame (bytes) {
  if (bytes.length < 2) return null
  let length = bytes[1] & 127
  let at = 2
  if (length === 126) {
    if (bytes.length < 4) return null
    length = bytes.readUInt16BE(2)
    at = 4
  } else if (length === 127) {
    if (bytes.length < 10) return null
    length = Number(bytes.readBigUInt64BE(2))
    at = 10
  }
  return bytes.length < at + length ? null : { opcode: bytes[0] & 15, payload: bytes.subarray(at, at + length), rest: bytes.subarray(at + length) }
}

class Line {
  closeCode = null
  status = null
  pongs = 0
  #buffer = Buffer.alloc(0)

  static async open ({ upgraded = false } = {}) {
    const line = new Line()
    line.began = Date.now()
    line.socket = connect({ port, host: '127.0.0.1', noDelay: true })
    line.ended = new Promise((resolve) => {
      line.socket.on('end', resolve)
      line.socket.on('close', resolve)
    })
    line.socket.on('error', () => {})
    line.socket.on('data', (bytes) => line.#read(bytes))
    await new Promise((resolve) => {
      line.socket.once('connect', resolve)
      line.socket.once('close', resolve)
    })
    if (upgraded) {
      line.socket.write(UPGRADE)
      await Promise.race([line.ended, new Promise((resolve) => (line.upgraded = resolve))])
      line.write(frame(2, SYNC_STEP_1))
    }
    return line
  }

  get open () {
    return !this.socket.destroyed && this.socket.writable && !this.socket.readableEnded
  }

  /** True when the bytes left at once; false asks the caller to wait for `drained`. */
  write (bytes) {
    return this.open && this.socket.write(bytes)
  }

  /** Resolves when there is room again, or the connection has ended. */
  drained () {
    return Promise.race([this.ended, new Promise((resolve) => this.socket.once('drain', resolve))])
  }

  /** Waits for the server to end it, and says how long the whole line lived. */
  async end (patience_ms) {
    let timer
    const cut = await Promise.race([this.ended.then(() => true), new Promise((resolve) => (timer = setTimeout(resolve, patience_ms, false)))])
    clearTimeout(timer)
    this.socket.destroy()
    const answered = this.closeCode !== null || (this.status !== null && !this.status.includes(' 101 '))
    return { outcome: !cut && this.closeCode === null ? 'held' : answered ? 'answered' : 'cut', ms: Date.now() - this.began, detail: this.closeCode ?? this.status }
  }

  #read (bytes) {
    this.#buffer = Buffer.concat([this.#buffer, bytes])
    if (this.status === null) {
      const end = this.#buffer.indexOf('\r\n\r\n')
      if (end < 0) return
      this.status = this.#buffer.subarray(0, this.#buffer.indexOf('\r\n')).toString()
      this.#buffer = this.#buffer.subarray(end + 4)
      this.upgraded?.()
    }
    if (!this.status.includes(' 101 ')) return
    for (let one = readFrame(this.#buffer); one; one = readFrame(this.#buffer)) {
      this.#buffer = one.rest
      if (one.opcode === 8) this.closeCode = one.payload.length >= 2 ? one.payload.readUInt16BE(0) : 1005
      if (one.opcode === 10) this.pongs++
    }
  }
}

/** One write on an upgraded line, then the server's verdict. */
const once = (...frames) => async () => {
  const line = await Line.open({ upgraded: true })
  for (const bytes of frames) line.write(bytes)
  return line.end(10_000)
}

/** Pours until the server ends it, or until `bytes_max` have left. */
const pour = (first, next, bytes_max, patience_ms = 10_000) => async () => {
  const line = await Line.open({ upgraded: true })
  line.write(first)
  let sent = 0
  while (sent < bytes_max && line.open) {
    sent += next.length
    if (!line.write(next)) await line.drained()
  }
  return { ...(await line.end(patience_ms)), sent }
}

/** A byte a second, for ever: time itself is the attack. */
const drip = (text, { upgraded = false, patience_ms = 20_000 } = {}) => async () => {
  const line = await Line.open({ upgraded })
  let at = 0
  const timer = setInterval(() => line.write(Buffer.from([text[at++ % text.length]])), 1000)
  const result = await line.end(patience_ms)
  clearInterval(timer)
  return result
}

const plain = (bytes, patience_ms = 15_000) => async () => {
  const line = await Line.open()
  line.write(bytes)
  return line.end(patience_ms)
}

const ATTACKS = {
  'no handshake at all': plain(Buffer.alloc(0)),
  'slow headers, a byte a second': drip(Buffer.from(UPGRADE)),
  'half a request line': plain(Buffer.from('GET /yjs')),
  'headers without end': plain(Buffer.from(`GET /yjs/${room} HTTP/1.1\r\nHost: x\r\n`)),
  'a header of 1 MB': plain(Buffer.from(`GET /yjs/${room} HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(1 << 20)}\r\n\r\n`)),
  'ten thousand headers': plain(Buffer.from(`GET /yjs/${room} HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(10_000)}\r\n`)),
  'a path of 1 MB': plain(Buffer.from(`GET /yjs/${'x'.repeat(1 << 20)} HTTP/1.1\r\nHost: x\r\n\r\n`)),
  'a TLS greeting': plain(Buffer.from('16030100a5010000a10303', 'hex')),
  'noise': plain(Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + 13) & 255))),
  'a body that never comes': plain(Buffer.from('POST /doc/new HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{')),
  'a body of 2^62 bytes': plain(Buffer.from('POST /doc/new HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4611686018427387904\r\n\r\n{')),
  'both lengths (smuggling)': plain(Buffer.from('POST /doc/new HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n')),
  'an upgrade without a key': plain(Buffer.from(UPGRADE.replace(/Sec-WebSocket-Key.*\r\n/, ''))),
  'an upgrade of version 7': plain(Buffer.from(UPGRADE.replace('Version: 13', 'Version: 7'))),
  'an unmasked frame': once(frame(2, SYNC_STEP_1, { masked: false })),
  'reserved bit 1 (compression never agreed)': once(frame(2, SYNC_STEP_1, { reserved: 4 })),
  'reserved bits 2 and 3': once(frame(2, SYNC_STEP_1, { reserved: 3 })),
  'a reserved data opcode': once(frame(3, SYNC_STEP_1)),
  'a reserved control opcode': once(frame(11, SYNC_STEP_1)),
  'a text frame': once(frame(1, Buffer.from('hello'))),
  'a text frame that is not UTF-8': once(frame(1, Buffer.of(0xff, 0xfe))),
  'a frame that claims 2^62 bytes': once(frame(2, SYNC_STEP_1, { length: 1n << 62n })),
  'a frame that claims 2^63 bytes': once(frame(2, SYNC_STEP_1, { length: 1n << 63n })),
  'a frame that claims 2 GB': once(frame(2, SYNC_STEP_1, { length: 1n << 31n })),
  'a continuation of nothing': once(frame(0, SYNC_STEP_1)),
  'a message inside a message': once(frame(2, SYNC_STEP_1, { fin: false }), frame(2, SYNC_STEP_1)),
  'a fragmented ping': once(frame(9, Buffer.from('x'), { fin: false })),
  'a ping of 200 bytes': once(frame(9, Buffer.alloc(200))),
  'a close of one byte': once(frame(8, Buffer.of(3))),
  'a close with a code nobody may send': once(frame(8, Buffer.of(3, 0xed))),
  'a close, then more': once(frame(8, Buffer.of(3, 0xe8)), frame(2, SYNC_STEP_1)),
  'fragments of 1 MB without end': pour(frame(2, SYNC_STEP_1, { fin: false }), frame(0, Buffer.alloc(1 << 20), { fin: false }), 512 << 20),
  'a million fragments of one byte': pour(frame(2, SYNC_STEP_1, { fin: false }), Buffer.concat(Array(1000).fill(frame(0, Buffer.of(0), { fin: false }))), 7_000_000, 45_000),
  'a frame of 300 MB': pour(frame(2, Buffer.alloc(0), { length: 300n << 20n }), Buffer.alloc(1 << 20), 300 << 20),
  'a frame that drips': drip(frame(2, Buffer.alloc(4096)), { upgraded: true, patience_ms: 45_000 }),
  'a flood of pings, no pong read': async () => {
    const line = await Line.open({ upgraded: true })
    line.socket.pause()
    const pings = Buffer.concat(Array(1000).fill(frame(9, Buffer.alloc(125))))
    let sent = 0
    // The server either cuts, or stops reading: then no more leaves and half a second passes without a drain.
    while (sent < 400_000 && line.open) {
      sent += 1000
      if (line.write(pings)) continue
      let timer
      const stuck = await Promise.race([line.drained().then(() => false), new Promise((resolve) => (timer = setTimeout(resolve, 500, true)))])
      clearTimeout(timer)
      if (stuck) break
    }
    return { ...(await line.end(1000)), sent }
  },
  'two hundred lines that say nothing': async () => {
    const lines = await Promise.all(Array.from({ length: 200 }, () => Line.open()))
    const ends = await Promise.all(lines.map((line) => line.end(15_000)))
    const held = ends.filter(({ outcome }) => outcome === 'held').length
    return { ...ends[0], outcome: held ? 'held' : ends[0].outcome, detail: `${held} held`, ms: Math.max(...ends.map(({ ms }) => ms)) }
  },
  // Half-open: nothing closes the connection, and no ping of the server is ever answered (threat 17).
  'deaf after the upgrade': async () => (await Line.open({ upgraded: true })).end(45_000),
  'half closed after the upgrade': async () => {
    const line = await Line.open({ upgraded: true })
    line.socket.end()
    return line.end(45_000)
  },
}

const results = await Promise.all(Object.entries(ATTACKS).map(async ([name, run]) => ({ name, ...(await run()) })))
process.send(results, () => process.exit(0))
