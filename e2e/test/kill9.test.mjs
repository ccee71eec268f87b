/**
 * Holds that `kill -9` at any moment loses no edit that was acknowledged to its author or shown to anybody else, that
 * nobody is told "synced" before holding what was saved, and that a restart listens within a second.
 * (pains 1-5, 9; threats behaviours 1 and 7, rows 20, 24, 25.)
 *
 * A process that dies leaves its written pages to the kernel, so this shows the order of commit, relay and
 * acknowledgement, not that syncs reach the plate: test/store-away.test.mjs watches the syncs.
 *
 * ROOMTONE_KILL9_ROUNDS (5; the full run is 200, with `node --test --test-timeout=2400000 test/kill9.test.mjs`),
 * ROOMTONE_SEED to repeat a run.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Ledger } from '../lib/fault-ledger.mjs'
import { Chance, runSeed } from '../lib/fault-random.mjs'
import { Crew, Readers, spread } from '../lib/fault-rounds.mjs'
import { Server } from '../lib/server.mjs'

const ROUNDS = Number(process.env.ROOMTONE_KILL9_ROUNDS ?? 5)
const EDITS_PER_SECOND = 300
const RESTART_MS_MAX = 1_000

/** @type {Server} */
let server
after(() => server?.stop())

test(`kill -9, ${ROUNDS} rounds: nothing acknowledged or seen is lost`, { timeout: 30_000 + ROUNDS * 20_000 }, async () => {
  const chance = new Chance(runSeed('kill9'))
  const ledger = new Ledger()
  const restarts_ms = []
  const early = []
  const lost = []
  let writing_ms = 0
  server = await Server.start({ open: true })

  for (let round = 0; round < ROUNDS; round++) {
    const crew = new Crew({ server, ledger, chance: chance.fork(), round: `r${round}` })
    await crew.gather()
    crew.write(EDITS_PER_SECOND)
    // The one sleep of this test: the moment of the crash is what it is about.
    const lifetime_ms = chance.between(300, 1_800)
    await new Promise((resolve) => setTimeout(resolve, lifetime_ms))
    writing_ms += lifetime_ms
    crew.stayAway()
    await server.kill()
    await crew.gone()

    // The writers are gone for good: these readers have nothing but what the server kept.
    const readers = new Readers({ server, ledger, chance: chance.fork() })
    restarts_ms.push(await readers.revive())
    const verdict = await readers.verdict()
    early.push(...crew.early, ...verdict.early)
    lost.push(...verdict.lost)
    if (lost.length > 0 || early.length > 0) break
  }

  const restart = spread(restarts_ms)
  const { acked, seen } = ledger.counts
  const per_second = Math.round(ledger.sent / writing_ms * 1_000)
  console.log(
    `kill9: ${restarts_ms.length} rounds, ${ledger.sent} edits (${per_second}/s), ${acked} acknowledged, ${seen} seen by others,`,
    `${lost.length} lost, ${early.length} early synced, restart p50 ${restart.p50} ms, max ${restart.max} ms`
  )
  assert.deepEqual(lost, [], 'edits that were acknowledged or seen are missing after the restart')
  assert.deepEqual(early, [], 'clients were told "synced" before they held what was saved')
  // Vacuous otherwise: most edits of a healthy run are acknowledged before the crash.
  assert.ok(acked > ledger.sent / 2, `only ${acked} of ${ledger.sent} edits were acknowledged`)
  assert.ok(restart.max < RESTART_MS_MAX, `the slowest restart took ${restart.max} ms to listen`)
})
