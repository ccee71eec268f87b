/** One node's clock is wrong, and its wall clock only: `clock.c` stands between it and the system. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Member } from '../lib/fault-crew.mjs'
import { mint, nowSeconds } from '../lib/jwt.mjs'
import { DOUBLED, LAG, LOST, RECONNECTS, every } from './fault.mjs'
import { ACROSS, LOCAL, Site } from './site.mjs'

const SECRET = 'a secret of the clock tests, long enough'
const EDITS_PER_S = 40
const EQUAL_MS_MAX = 5_000
const SEEN_MS_MAX = 500
const JUMP_EVERY_MS = 2_000
const DENIED_MS = 1_500
const JOIN_PAUSE_MS = 100
const HALF_AN_HOUR_S = 1_800

/** How far off the clock is, in seconds, one after the other. */
const CLOCKS = {
  'clock-ahead': { about: 'the clock of one of 2 nodes is an hour ahead', offsets: ['3600'] },
  'clock-behind': { about: 'the clock of one of 2 nodes is an hour behind', offsets: ['-3600'] },
  'clock-jumping': { about: `the clock of one of 2 nodes jumps by an hour every ${JUMP_EVERY_MS / 1_000} s, ahead and back and behind`, offsets: ['0', '3600', '0', '-3600'], inCi: true }
}

/**
 * @param {string} folder for what is made
 * @param {string} file that holds the offset
 */
function environment (folder, file) {
  const library = path.join(folder, 'clock.so')
  // The compiler that built the server's own C parts.
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-o', library, path.join(import.meta.dirname, 'clock.c')], { stdio: 'inherit' })
  const env = { LD_PRELOAD: library, CLOCK_OFFSET_FILE: file }
  // A clock that is right after all would pass every bar.
  writeFileSync(file, '7200')
  const wrong_s = Number(execFileSync('date', ['+%s'], { env: { ...process.env, ...env } })) - nowSeconds()
  assert.ok(Math.abs(wrong_s - 7_200) < 5, `the clock is off by ${wrong_s} s instead of 7200`)
  return env
}

/** Whether a client with this token gets in on that node. */
async function isLetIn (site, kind, n, exp) {
  const member = new Member(kind, site.cluster.nodes[n], site.rooms[0], { options: { token: mint({ exp }, SECRET) } })
  const isIn = await member.whenSynced(DENIED_MS).then(() => true, () => false)
  member.leave()
  return isIn
}

/** @type {import('./fault.mjs').Fault[]} */
export const faults = Object.entries(CLOCKS).map(([name, { about, offsets, inCi }]) => ({
  name,
  family: 'Clocks',
  about,
  seconds: 8,
  inCi,
  bars: {
    lost: LOST,
    doubled: DOUBLED,
    local_ms: { what: 'slowest edit on one node', max: 100, isTime: true },
    across_ms: { what: 'slowest edit between nodes', max: SEEN_MS_MAX, isTime: true },
    unseen: { what: 'times that somebody who is there was not seen', max: 0 },
    reconnects: RECONNECTS,
    turned_away: { what: 'joins refused though their token is valid for half an hour', max: 0 },
    let_in: { what: 'joins let in though their token ended half an hour ago', max: 0 },
    joins: { what: 'joins tried', min: 4 },
    lag_ms: LAG
  },
  async run ({ seconds, chance }) {
    const folder = mkdtempSync(path.join(tmpdir(), 'roomtone-clock-'))
    const file = path.join(folder, 'offset')
    const wrongClock = environment(folder, file)
    writeFileSync(file, offsets[0])
    const token = mint({ exp: nowSeconds() + 4 * HALF_AN_HOUR_S }, SECRET)
    const site = await Site.open({ nodes: 2, chance, token, jwtSecret: SECRET, envOf: (n) => n === 0 ? wrongClock : {} })
    try {
      let turn = 0
      const jumps = offsets.length > 1 ? every(JUMP_EVERY_MS, () => writeFileSync(file, offsets[++turn % offsets.length])) : async () => {}
      for (const member of site.members) member.client.setPresence({ name: member.writer })
      const residents = [...site.members]
      const isSeen = () => residents.every(({ room, client }) => client.peers().size >= residents.filter((one) => one.room === room).length - 1)
      await site.equal(EQUAL_MS_MAX)
      await pause(SEEN_MS_MAX)
      const { sockets } = site
      site.clearLag()
      let unseen = 0
      const looks = every(50, () => { unseen += isSeen() ? 0 : 1 })
      site.phase('off')
      site.write(EDITS_PER_S)
      const until = performance.now() + seconds * 1_000
      const found = { turned_away: 0, let_in: 0, joins: 0 }
      while (performance.now() < until) {
        for (const kind of ['y-websocket-3', 'hocuspocus-4']) {
          found.joins += 2
          if (!await isLetIn(site, kind, 0, nowSeconds() + HALF_AN_HOUR_S)) found.turned_away++
          if (await isLetIn(site, kind, 0, nowSeconds() - HALF_AN_HOUR_S)) found.let_in++
          await pause(JOIN_PAUSE_MS)
        }
      }
      site.rest()
      await looks()
      await jumps()
      const { lag_ms } = site
      const reconnects = site.sockets - sockets
      await site.equal(EQUAL_MS_MAX)
      await site.saved()
      writeFileSync(file, '0')
      return {
        local_ms: site.slowest('off', LOCAL),
        across_ms: site.slowest('off', ACROSS),
        unseen,
        reconnects,
        ...found,
        ...await site.verdict({ nodes: [0, 1] }),
        lag_ms
      }
    } finally {
      await site.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}))
