// The configurations of nginx and HAProxy that ship: each room has its node, and only the rooms of a node that goes are moved.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, afterEach, before, describe, test } from 'node:test'
import { BALANCER_KINDS, Balancer, StubNode } from '../lib/balancer.mjs'
import { converged, destroyAll, freshRoom, open } from '../lib/clients.mjs'
import { Cluster } from '../lib/cluster.mjs'
import { reportFailure } from '../lib/server.mjs'
import { until } from '../lib/wait.mjs'

const NODES = ['roomtone-1', 'roomtone-2', 'roomtone-3']
/** As docs/OPERATIONS.md says: a balancer takes its time to believe that a node is back. */
const REST_MS = 3_000
const ROOMS = Array.from({ length: 90 }, (_, n) => `room-${n}`)

/** Every address that a room has: docs/PROTOCOL.md. @param {string} room */
const addresses = (room) => ({
  sockets: [`/yjs/${room}`, `/${room}`, `/d/${room}/ws/${room}`, `/doc/ws/${room}`, `/hocuspocus?room=${room}`, `/hocuspocus/?room=${room}`,
    `/?room=${room}`, `/yjs/${room}?token=a.b.c`, `/hocuspocus?token=a.b.c&room=${room}`, `/v1/connect?room=${room}`, `/d/${room}/ws/${room}?room=of-somebody-else`],
  requests: [`/d/${room}/as-update`, `/doc/${room}/as-update`, `/d/${room}/update`, `/doc/${room}/update`, `/doc/${room}/auth`, `/v1/rooms/${room}/messages`, `/v1/rooms/${room}/messages?limit=5`]
})

for (const kind of BALANCER_KINDS) {
  describe(kind, () => {
    /** @type {StubNode[]} */
    let nodes
    /** @type {Balancer} */
    let balancer

    /** Where each room is. @returns {Promise<Map<string, string>>} */
    const placement = async () => {
      const places = await Promise.all(ROOMS.map((room) => balancer.nodeOf(`/yjs/${room}`)))
      return new Map(ROOMS.map((room, n) => [room, places[n]]))
    }
    /** What HAProxy's checks have found. @param {string} node */
    const isUp = async (node) => new RegExp(`^rooms,${node},.*,UP,`, 'm').test(await balancer.command('show stat'))
    /** @param {Map<string, string>} was @param {Map<string, string>} is @param {string} gone */
    const onlyItsRoomsMoved = (was, is, gone) => {
      for (const [room, node] of is) {
        assert.notEqual(node, gone, `${room} is not on the node that went`)
        if (was.get(room) !== gone) assert.equal(node, was.get(room), `${room} stays where it was`)
      }
    }

    before(async () => {
      nodes = await Promise.all(NODES.map((name) => StubNode.start(name)))
      balancer = await Balancer.start(kind, nodes.map((node) => node.port))
    })
    after(async () => {
      await balancer?.stop()
      for (const node of nodes ?? []) await node.stop()
    })

    test('a room reaches the same node by every address, path or query', async () => {
      for (const room of ['plain', 'a%20b', '%D0%BA%D0%BE%D0%BC%D0%BD%D0%B0%D1%82%D0%B0']) {
        const home = await balancer.nodeOf(`/yjs/${room}`)
        const { sockets, requests } = addresses(room)
        for (const address of requests) assert.equal(await balancer.nodeOf(address), home, address)
        for (const address of sockets) {
          const { node, url, ws } = await balancer.socket(address)
          ws.terminate()
          assert.equal(node, home, address)
          assert.equal(url, address, 'the node gets the address as it was')
        }
      }
      // A room with a slash has no y-sweet address.
      assert.equal(await balancer.nodeOf('/yjs/team/notes'), await balancer.nodeOf('/team/notes'))
      assert.equal(await balancer.nodeOf('/yjs/team/notes'), await balancer.nodeOf('/hocuspocus?room=team/notes'))
    })

    test('rooms are spread, and so is what names none', async () => {
      const places = [...(await placement()).values()]
      const counts = NODES.map((node) => places.filter((place) => place === node).length)
      for (const count of counts) assert.ok(count >= ROOMS.length / 10, `rooms on each node: ${counts}`)
      for (const address of ['/hocuspocus', '/', '/doc/new', '/hocuspocus?room=', '/v1/connect', '/v1/connect?room=']) {
        const found = new Set(await Promise.all(ROOMS.map(() => balancer.nodeOf(address))))
        assert.deepEqual([...found].sort(), NODES, address)
      }
    })

    test('what a client without WebSockets asks in one session reaches one node, and sessions are spread', async () => {
      const sessions = ROOMS.map((_, n) => `/v1/sessions/session-with-a-long-name_${n}`)
      const homes = await Promise.all(sessions.map((session) => balancer.nodeOf(`${session}?n=1`)))
      for (const [n, session] of sessions.entries()) {
        const body = Buffer.alloc(1_000, n)
        const answers = await Promise.all([balancer.ask(`${session}?n=2`), balancer.ask(`${session}?n=3`, { method: 'POST', body }), balancer.ask(session, { method: 'DELETE' })])
        assert.deepEqual(answers.map(({ node }) => node), Array(answers.length).fill(homes[n]), session)
        assert.equal(answers[1].bytes, body.length)
      }
      for (const node of NODES) assert.ok(homes.filter((home) => home === node).length >= ROOMS.length / 10, `sessions on each node: ${homes}`)
    })

    test('when a node goes its rooms move and the others stay; when it is back they return', async () => {
      const was = await placement()
      await nodes[1].stop()
      // At once: nobody sees an error, even before the balancer has found out.
      onlyItsRoomsMoved(was, await placement(), NODES[1])
      if (kind === 'haproxy') {
        await until(async () => !await isUp(NODES[1]), 10_000, 'it to be found dead')
        onlyItsRoomsMoved(was, await placement(), NODES[1])
      }
      const socket = await balancer.socket(`/yjs/${ROOMS.find((room) => was.get(room) === NODES[1])}`)
      assert.notEqual(socket.node, NODES[1])
      await nodes[1].listen()
      await until(async () => {
        assert.deepEqual(await placement(), was)
        return true
      }, 10_000, 'every room to be where it was')
      assert.equal(socket.ws.readyState, socket.ws.OPEN, 'whoever came meanwhile is not cut off')
      socket.ws.terminate()
    })

    test('a node that is taken out gets nothing new and keeps its sockets', async () => {
      const was = await placement()
      const room = ROOMS.find((name) => was.get(name) === NODES[0])
      const socket = await balancer.socket(`/yjs/${room}`)
      assert.equal(socket.node, NODES[0])
      if (kind === 'nginx') {
        balancer.configure((text) => text.replace(`server 127.0.0.1:${nodes[0].port} `, '$&down '))
        await balancer.reload()
      } else {
        await balancer.command('set server rooms/roomtone-1 state drain')
      }
      await until(async () => {
        onlyItsRoomsMoved(was, await placement(), NODES[0])
        return true
      }, 5_000, 'its rooms to move')
      const echo = once(socket.ws, 'message')
      socket.ws.send('still here')
      assert.equal(String((await echo)[0]), 'still here')
      socket.ws.terminate()
      if (kind === 'nginx') {
        balancer.configure()
        await balancer.reload()
      } else {
        await balancer.command('set server rooms/roomtone-1 state ready')
      }
      await until(async () => {
        assert.deepEqual(await placement(), was)
        return true
      }, 5_000, 'every room to be back')
    })

    if (kind === 'haproxy') {
      test('a node that is not ready gets nothing new and keeps its sockets; when none is, all are asked', async () => {
        const was = await placement()
        const room = ROOMS.find((name) => was.get(name) === NODES[2])
        const socket = await balancer.socket(`/yjs/${room}`)
        nodes[2].isReady = false
        await until(async () => {
          onlyItsRoomsMoved(was, await placement(), NODES[2])
          return true
        }, 10_000, 'its rooms to move')
        for (const node of nodes) node.isReady = false
        await until(async () => {
          assert.deepEqual(await placement(), was)
          return true
        }, 10_000, 'every room to be where it was when all were ready')
        const echo = once(socket.ws, 'message')
        socket.ws.send('still here')
        assert.equal(String((await echo)[0]), 'still here')
        socket.ws.terminate()
        for (const node of nodes) node.isReady = true
        await until(async () => {
          assert.deepEqual(await placement(), was)
          return (await Promise.all(NODES.map(isUp))).every(Boolean)
        }, 10_000, 'all to be ready again')
      })
    }

    test('what passes: large frames and bodies, long queries, the host, the scheme; what does not: metrics, and tokens into the log', async () => {
      const token = 'secret'.repeat(2_000)
      const { ws, headers } = await balancer.socket(`/yjs/wide?token=${token}`)
      assert.equal(headers.host, balancer.host)
      assert.equal(headers['x-forwarded-proto'], 'http')
      const large = Buffer.alloc(8 * 1024 * 1024, 7)
      const echo = once(ws, 'message')
      ws.send(large)
      assert.deepEqual((await echo)[0], large)
      ws.terminate()
      const body = await balancer.ask('/d/wide/update', { method: 'POST', body: large })
      assert.equal(body.bytes, large.length)
      const https = await balancer.ask('/doc/wide/auth', { method: 'POST', headers: { 'x-forwarded-proto': 'https' } })
      assert.equal(https.headers['x-forwarded-proto'], 'https')
      for (const address of ['/metrics', '/readyz', '/healthz', '/livez', '/v1/drain', '/v1/nodes']) {
        assert.equal((await fetch(balancer.http + address)).status, 404, address)
      }
      await until(() => balancer.log().includes('/yjs/wide'), 5_000, 'the socket to be logged', () => balancer.log().slice(-500))
      assert.ok(!balancer.log().includes('secret'), 'no token in the log')
    })

    describe('in front of a cluster', () => {
      /** @type {Cluster} */
      let cluster
      /** @type {Balancer} */
      let front
      before(async () => {
        cluster = await Cluster.start(NODES.length)
        front = await Balancer.start(kind, cluster.nodes.map((node) => node.port))
      })
      afterEach(destroyAll)
      NODES.forEach((_, n) => afterEach(reportFailure(() => cluster?.nodes[n])))
      after(async () => {
        await front?.stop()
        await cluster?.stop()
      })
      /** One client of each dialect. @param {string} room */
      const everybody = (room) => {
        const through = /** @type {import('../lib/server.mjs').Server} */ (/** @type {unknown} */ (front))
        return Promise.all([
          open('y-websocket-3', through, room),
          open('y-sweet', through, room),
          ...['hocuspocus-2', 'hocuspocus-3', 'hocuspocus-4'].map((id) => open(id, through, room, { at: `hocuspocus?room=${room}` }))
        ])
      }
      /** How many nodes have rooms in memory, and how many rooms. */
      const roomsPerNode = () => Promise.all(cluster.nodes.map(async (node) =>
        Number(/^roomtone_rooms (\d+)/m.exec(await (await node.fetch('/metrics')).text())?.[1] ?? 0)))

      test('unmodified clients of one room meet on one node, Hocuspocus by its query', async () => {
        const rooms = [freshRoom('balanced'), freshRoom('balanced'), freshRoom('balanced')]
        const people = await Promise.all(rooms.map(everybody))
        for (const clients of people) {
          clients.forEach((client, n) => client.insert('t', 0, String(n)))
          await until(() => clients.every((client) => client.text('t').length === clients.length), 5_000, 'every letter everywhere',
            () => clients.map((client) => [client.id, client.text('t')]))
          await converged(clients)
          await Promise.all(clients.map((client) => client.whenSaved()))
        }
        const counts = await roomsPerNode()
        assert.equal(counts.reduce((sum, count) => sum + count, 0), rooms.length, `each room is on one node: ${counts}`)
      })

      test('one node after the other is restarted under writers: nothing is lost, and each client has to come back at most once a node', async () => {
        const people = await Promise.all([1, 2, 3, 4].map(() => everybody(freshRoom('rolling'))))
        const clients = people.flat()
        const before = clients.map((client) => client.sockets.length)
        let letters = 0
        const writing = setInterval(() => {
          letters += 1
          for (const client of clients) client.insert('t', client.text('t').length, 'x')
        }, 50)
        try {
          for (const node of cluster.nodes) {
            await node.restart('SIGTERM')
            await until(() => clients.every((client) => client.synced()), 15_000, 'everybody to be back')
            await new Promise((resolve) => setTimeout(resolve, REST_MS))
          }
        } finally {
          clearInterval(writing)
        }
        for (const room of people) {
          await until(() => room.every((client) => client.text('t').length === letters * room.length), 15_000, 'every letter everywhere',
            () => [letters, room.map((client) => [client.id, client.text('t').length])])
          await Promise.all(room.map((client) => client.whenSaved()))
        }
        clients.forEach((client, n) => {
          const reconnects = client.sockets.length - before[n]
          assert.ok(reconnects <= cluster.nodes.length, `${client.id} came back ${reconnects} times`)
        })
        assert.doesNotMatch(front.log(), / 50[0-9] /, 'there was always a node to serve')
      })
    })
  })
}
