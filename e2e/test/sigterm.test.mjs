/**
 * Holds what a polite end means: SIGTERM and SIGINT save everything that was promised, tell every client that the
 * service restarts, and exit with 0 in time; a second signal does not wait.
 * (pains 3, 19; threats row 21.)
 *
 * ROOMTONE_SIGTERM_ROUNDS (4; the full run is 40), ROOMTONE_SEED to repeat a run.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { Member } from '../lib/fault-crew.mjs'
import { FaultDisk } from '../lib/fault-disk.mjs'
import { Ledger } from '../lib/fault-ledger.mjs'
import { Chance, runSeed } from '../lib/fault-random.mjs'
import { Crew, Readers, spread } from '../lib/fault-rounds.mjs'
import { Server, freePort } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const ROUNDS = Number(process.env.ROOMTONE_SIGTERM_ROUNDS ?? 4)
const EDITS_PER_SECOND = 300
const STOP_MS_MAX = 10_000
/** An edit that left its client this long before the signal has reached the server: it counts as accepted. */
const ACCEPTED_MS = 500
const GOODBYES = [1012, 1001]

/** @type {Set<Server>} */
const servers = new Set()
after(() => Promise.all([...servers].map((server) => server.stop())))

/** Sends the signal and waits for the end. */
async function signalled (server, signal) {
  const began = performance.now()
  const exited = once(server.child, 'exit')
  server.child.kill(signal)
  const [code, killedBy] = await exited
  return { code, killedBy, ms: performance.now() - began }
}

test(`SIGTERM and SIGINT, ${ROUNDS} rounds: everything saved, everybody told`, { timeout: 30_000 + ROUNDS * 30_000 }, async () => {
  const chance = new Chance(runSeed('sigterm'))
  const ledger = new Ledger()
  const stops_ms = []
  const codes = {}
  const server = await Server.start({ open: true })
  servers.add(server)

  for (let round = 0; round < ROUNDS; round++) {
    const crew = new Crew({ server, ledger, chance: chance.fork(), round: `r${round}` })
    await crew.gather()
    crew.write(EDITS_PER_SECOND)
    // Time is the subject: when the signal comes, and which edits were long with the server by then.
    await new Promise((resolve) => setTimeout(resolve, chance.between(200, 1_200)))
    const old = crew.members.map(({ ids }) => ids.length)
    await new Promise((resolve) => setTimeout(resolve, ACCEPTED_MS))

    // Writing goes on through the signal: the server decides what it still takes.
    const signal = round % 4 === 3 ? 'SIGINT' : 'SIGTERM'
    crew.stayAway()
    const end = await signalled(server, signal)
    await crew.gone()
    stops_ms.push(end.ms)
    assert.deepEqual({ code: end.code, killedBy: end.killedBy }, { code: 0, killedBy: null }, `${signal}: ${server.tail()}`)
    for (const { close } of crew.members) codes[close.code] = (codes[close.code] ?? 0) + 1
    crew.members.forEach(({ room, ids }, i) => ids.slice(0, old[i]).forEach((id) => ledger.accept(room, id)))

    const readers = new Readers({ server, ledger, chance: chance.fork() })
    await readers.revive()
    const verdict = await readers.verdict()
    assert.deepEqual(verdict.lost, [], `round ${round}, ${signal}: accepted edits are missing after the restart`)
    assert.deepEqual([...crew.early, ...verdict.early], [], 'clients were told "synced" before they held what was saved')
  }

  const stop = spread(stops_ms)
  const { acked, seen, accepted } = ledger.counts
  console.log(
    `sigterm: ${ROUNDS} rounds, ${ledger.sent} edits, ${accepted} of them sent ${ACCEPTED_MS} ms before, ${acked} acknowledged, ${seen} seen, 0 lost,`,
    `close codes ${JSON.stringify(codes)}, stop p50 ${stop.p50} ms, max ${stop.max} ms`
  )
  assert.deepEqual(Object.keys(codes).map(Number).filter((code) => !GOODBYES.includes(code)), [], 'close codes that do not say "come back soon"')
  assert.ok(stop.max < STOP_MS_MAX, `the slowest stop took ${stop.max} ms`)
})

for (const [first, second] of [['SIGTERM', 'SIGTERM'], ['SIGINT', 'SIGINT'], ['SIGTERM', 'SIGINT']]) {
  test(`${first}, then ${second} while the store is slow: exits at once`, { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'roomtone-e2e-'))
    const disk = new FaultDisk(path.join(folder, 'data'))
    const server = new Server({ open: true, env: disk.env, keepData: true })
    server.port = await freePort()
    server.dir = disk.dataFolder
    try {
      await server.revive()
      const chance = new Chance(1)
      const author = await new Member('hocuspocus-4', server, 'slow', { writer: 'a' }).whenSynced()
      await until(() => author.saysSaved, 5_000, 'the first saved state')

      disk.slow(8_000)
      const { delayed } = disk.counts
      author.edit(chance)
      await until(() => disk.counts.delayed > delayed, 5_000, 'a sync that hangs')
      author.stayAway()
      const exited = once(server.child, 'exit')
      server.child.kill(first)
      // The first signal is being obeyed once the client has been told or the door is shut.
      await until(async () => author.close || !(await fetch(`${server.http}/readyz`).then(({ status }) => status === 200, () => false)), 5_000, 'the first signal to show')
      assert.ok(server.isRunning(), 'the first signal did not wait for the store')
      const began = performance.now()
      server.child.kill(second)
      await exited
      const took_ms = performance.now() - began
      console.log(`sigterm: second signal, gone after ${Math.round(took_ms)} ms`)
      assert.ok(took_ms < 1_000, `gone only ${Math.round(took_ms)} ms after the second signal`)
      author.leave()
    } finally {
      disk.ok()
      if (server.isRunning()) await server.kill()
      disk.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  })
}

test('a log that nobody reads any more keeps nobody from working, or the server from ending', { timeout: 60_000 }, async () => {
  const server = await Server.start({ open: true })
  try {
    server.child.stderr.destroy()
    const chance = new Chance(2)
    const author = await new Member('hocuspocus-4', server, 'unread', { writer: 'a' }).whenSynced()
    author.edit(chance)
    await until(() => author.saysSaved, 20_000, 'the edit to be called saved')
    author.leave()
    await server.restart('SIGTERM')
  } finally {
    await server.stop()
  }
})
