/** Who is here, told across nodes: who leaves is gone at once, a dead node takes its people along, who moves is there once. */
import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../lib/wait.mjs'
import { door } from './nodes.mjs'
import { KINDS, Site } from './site.mjs'

const SEEN_MS_MAX = 5_000
const LEAVERS = 20
const MOVES = 6

/** @param {any} site */
const isSeen = (site, member) => site.members.every((watcher) => watcher === member || watcher.room !== member.room || watcher.client.peers().has(member.client.clientID))
const isGone = (site, member) => site.members.every((watcher) => watcher === member || !watcher.client.peers().has(member.client.clientID))

/** @type {import('./fault.mjs').Fault} */
const leave = {
  name: 'presence-leave',
  family: 'Presence',
  about: `${LEAVERS} people come to one of 3 nodes and leave`,
  seconds: 0,
  inCi: true,
  bars: {
    gone_ms: { what: 'slowest removal, seen on every node', max: 1_000, isTime: true },
    seen_ms: { what: 'slowest arrival, seen on every node', max: 1_000, isTime: true }
  },
  async run ({ chance }) {
    const site = await Site.open({ nodes: 3, rooms: 1, chance })
    try {
      let [gone_ms, seen_ms] = [0, 0]
      for (let i = 0; i < LEAVERS; i++) {
        const leaver = site.join(KINDS[i % 2], site.rooms[0], i % 3, { options: { state: { name: `leaver ${i}` } } })
        await leaver.whenSynced()
        const came = performance.now()
        await until(() => isSeen(site, leaver), SEEN_MS_MAX, 'the newcomer to be seen')
        seen_ms = Math.max(seen_ms, performance.now() - came)
        const left = performance.now()
        leaver.leave()
        await until(() => isGone(site, leaver), SEEN_MS_MAX, 'the leaver to be gone')
        gone_ms = Math.max(gone_ms, performance.now() - left)
        site.members.pop()
      }
      return { gone_ms, seen_ms }
    } finally {
      await site.close()
    }
  }
}

/** @type {import('./fault.mjs').Fault} */
const ghosts = {
  name: 'presence-ghosts',
  family: 'Presence',
  about: 'kill -9 of a node full of people, in rooms where nobody writes',
  seconds: 0,
  bars: { ghosts_ms: { what: 'the last of them gone everywhere', max: 10_000, isTime: true } },
  async run ({ chance }) {
    const site = await Site.open({ nodes: 3, rooms: 3, chance })
    try {
      for (const member of site.members) member.client.setPresence({ name: member.writer })
      await until(() => site.members.every((member) => isSeen(site, member)), SEEN_MS_MAX, 'everybody to be seen')
      const [dead, alive] = [site.members.filter(({ node }) => node === 0), site.members.filter(({ node }) => node !== 0)]
      for (const member of dead) member.stayAway()
      await site.cluster.nodes[0].kill()
      const began = performance.now()
      const seen = () => alive.flatMap(({ client }) => dead.filter((ghost) => client.peers().has(ghost.client.clientID)))
      await until(() => seen().length === 0, 20_000, 'the ghosts to be gone', () => seen().length)
      return { ghosts_ms: performance.now() - began }
    } finally {
      await site.close()
    }
  }
}

/** @type {import('./fault.mjs').Fault} */
const move = {
  name: 'presence-move',
  family: 'Presence',
  about: `somebody moves between 2 nodes ${MOVES} times; every other time the node it leaves is not told`,
  seconds: 0,
  bars: {
    there_ms: { what: 'slowest return, from synced to seen on both nodes as it is now', max: 2_000, isTime: true },
    doubled: { what: 'people seen besides those who are there', max: 0 }
  },
  async run ({ chance }) {
    const site = await Site.open({ nodes: 2, rooms: 1, chance })
    const { proxy, target } = await door(site.cluster.nodes[0].port)
    try {
      // Quick to come back: what is measured is the nodes, not its patience.
      const options = { state: { name: 'mover', move: 0 }, opts: { maxBackoffTime: 100 } }
      const mover = await site.join('y-websocket-3', site.rooms[0], 0, { target, options }).whenSynced()
      const watchers = site.members.filter((member) => member !== mover)
      for (const watcher of watchers) watcher.client.setPresence({ name: watcher.writer })
      // All of them: who is seen a moment later would count as one too many.
      await until(() => site.members.every((member) => isSeen(site, member)), SEEN_MS_MAX, 'everybody to be seen')
      const [people] = watchers.map(({ client }) => client.peers().size)
      let [there_ms, doubled] = [0, 0]
      for (let move = 1; move <= MOVES; move++) {
        const sockets = mover.client.sockets.length
        proxy.targetPort = site.cluster.nodes[move % 2].port
        if (move % 2 === 0) proxy.orphanServerSide()
        else proxy.cut()
        await until(() => mover.client.sockets.length > sockets && mover.client.synced(), SEEN_MS_MAX * 2, 'the mover to be back', () => mover.client.describe())
        const began = performance.now()
        mover.client.setPresence({ name: 'mover', move })
        const isThere = () => watchers.every(({ client }) => client.peers().get(mover.client.clientID)?.move === move)
        await until(isThere, SEEN_MS_MAX * 2, 'the mover to be seen as it is now', () => watchers.map(({ client }) => [...client.peers()]))
        there_ms = Math.max(there_ms, performance.now() - began)
        doubled = Math.max(doubled, ...watchers.map(({ client }) => client.peers().size - people))
        // A late end of the old socket must not take it away again.
        await pause(1_500)
        await until(isThere, SEEN_MS_MAX, 'the mover to be still there', () => watchers.map(({ client }) => [...client.peers()]))
      }
      return { there_ms, doubled }
    } finally {
      await proxy.stop()
      await site.close()
    }
  }
}

export const faults = [leave, ghosts, move]
