/**
 * An attacker of its own process: sends generated frames of one dialect and reports what became of each.
 *
 * Forked by test/hostile.test.mjs with one JSON argument `{ ws, dialect, seed, frames, bombs, sockets, rooms }`, where
 * `rooms` is a list of `{ name, samples (base64), victim, resident }`. Answers with one message, the report.
 */
import { setPriority } from 'node:os'
import WebSocket from 'ws'
import { HostileFrames } from '../lib/fault-frames.mjs'
import { Chance } from '../lib/fault-random.mjs'

// The bar is on the server: an attacker must not take the processor from the innocent clients of the same machine.
setPriority(10)

/** How long one attack may go without an answer or a close before it counts as met by silence. */
const ANSWER_MS_MAX = 15_000

const order = JSON.parse(process.argv[2])
const chance = new Chance(order.seed)
const report = { sent: 0, bytes: 0, closes: {}, refused: 0, silent: [], kinds: 0, sockets: 0 }
const kinds = new Set()

const path = (room) => ({ hocuspocus: '/hocuspocus', 'y-sweet': `/d/${room}/ws/${room}`, 'y-websocket': `/yjs/${room}` })[order.dialect]

/** Opens a socket; resolves null when the server answers the upgrade with a refusal (it may: it is being flooded). */
function open (room) {
  return new Promise((resolve) => {
    const socket = new WebSocket(order.ws + path(room), { perMessageDeflate: false, maxPayload: 1 << 30 })
    socket.on('open', () => resolve(socket))
    socket.on('close', (code) => {
      if (!socket.leftByItself) report.closes[code] = (report.closes[code] ?? 0) + 1
      resolve(null)
    })
    socket.on('unexpected-response', (_request, response) => {
      report.refused++
      response.destroy()
      resolve(null)
    })
    socket.on('error', () => resolve(null))
  })
}

/** The server has read everything sent so far, or has closed: it answers pings in order with the rest. */
function settled (socket, name) {
  return new Promise((resolve) => {
    if (socket.readyState !== WebSocket.OPEN) return resolve()
    const done = () => {
      clearTimeout(timer)
      socket.off('pong', done)
      socket.off('close', done)
      resolve()
    }
    const timer = setTimeout(() => {
      report.silent.push(name)
      leave(socket)
      done()
    }, ANSWER_MS_MAX)
    socket.on('pong', done)
    socket.on('close', done)
    socket.ping()
  })
}

function leave (socket) {
  socket.leftByItself = true
  socket.terminate()
}

let left = order.frames
async function attack (chance) {
  let socket = null
  let hostile = null
  while (left > 0) {
    if (socket?.readyState !== WebSocket.OPEN) {
      const room = chance.pick(order.rooms)
      socket = await open(room.name)
      // A refusal is the server's right, and time is what it asks for.
      if (!socket) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        continue
      }
      report.sockets++
      const samples = room.samples.map((bytes) => new Uint8Array(Buffer.from(bytes, 'base64')))
      hostile = new HostileFrames(chance.fork(), order.dialect, room.name, samples, room)
      // One in ten speaks out of turn: nothing has been said, and no token given, before the first hostile frame.
      if (!chance.oneIn(10)) for (const frame of hostile.opening()) socket.send(frame)
    }
    left--
    const { name, frames } = order.bombs > 0 && left % 500 === 0 && order.bombs-- ? hostile.bomb() : hostile.next()
    kinds.add(name)
    for (const frame of frames) {
      report.sent++
      report.bytes += frame.length
      if (socket.readyState === WebSocket.OPEN) socket.send(frame)
    }
    await settled(socket, name)
    // Some members leave by themselves, so that closing and joining under attack is met too.
    if (chance.oneIn(40)) leave(socket)
  }
  if (socket) leave(socket)
}

await Promise.all(Array.from({ length: order.sockets }, () => attack(chance.fork())))
report.kinds = kinds.size
process.send(report, () => process.exit(0))
