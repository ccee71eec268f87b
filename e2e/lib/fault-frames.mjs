/**
 * Holds the generator of hostile frames: seeded, per dialect, from plain noise to frames that are right in all but one
 * place. It knows the Yjs v1 format, so that most of what it makes gets past a shallow check (threats section 2).
 */
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'

const encode = (write) => {
  const encoder = encoding.createEncoder()
  write(encoder)
  return encoding.toUint8Array(encoder)
}
const uint = (e, n) => encoding.writeVarUint(e, n)
const text = (e, s) => encoding.writeVarString(e, s)
const raw = (e, bytes) => encoding.writeUint8Array(e, bytes)
const block = (e, bytes) => encoding.writeVarUint8Array(e, bytes)
const concat = (...parts) => new Uint8Array(Buffer.concat(parts))

/** A varint of any size, beyond what numbers can hold: `bits` ones. */
const giant = (bits) => {
  const out = new Uint8Array(Math.ceil(bits / 7)).fill(0xff)
  out[out.length - 1] = 0x7f
  return out
}

// ---- Updates ----

/** One block of a hand-made update. `origin`, `right` and `parent` are `[client, clock]` or, for `parent`, a root name. */
const struct = (e, { ref, origin, right, parent = 'text', sub, content }) => {
  encoding.writeUint8(e, ref | (origin ? 0x80 : 0) | (right ? 0x40 : 0) | (sub !== undefined ? 0x20 : 0))
  for (const id of [origin, right]) if (id) for (const part of id) uint(e, part)
  if (!origin && !right) {
    if (typeof parent === 'string') {
      uint(e, 1)
      text(e, parent)
    } else {
      uint(e, 0)
      for (const part of parent) uint(e, part)
    }
    if (sub !== undefined) text(e, sub)
  }
  content(e)
}
const item = (fields) => (e) => struct(e, fields)
/** A block without a header of its own: GC (0) or Skip (10). */
const bare = (ref, length) => (e) => {
  encoding.writeUint8(e, ref)
  uint(e, length)
}

/** An update of one client: blocks from `clock` on, then deletions `[client, clock, length]`. */
const update = (client, clock, blocks, deletions = [], claimed = blocks.length) =>
  encode((e) => {
    uint(e, blocks.length || claimed ? 1 : 0)
    if (blocks.length || claimed) {
      uint(e, claimed)
      uint(e, client)
      uint(e, clock)
      for (const one of blocks) one(e)
    }
    uint(e, deletions.length)
    for (const [victim, at, length] of deletions) {
      uint(e, victim)
      uint(e, 1)
      uint(e, at)
      uint(e, length)
    }
  })

const string = (s) => (e) => text(e, s)
const any = (bytes) => (e) => {
  uint(e, 1)
  raw(e, bytes)
}
const nest = (head, depth, leaf) => concat(...Array(depth).fill(Uint8Array.from(head)), Uint8Array.from(leaf))
const nestedJson = (depth) => '['.repeat(depth) + ']'.repeat(depth)

/** Hand-made updates, each wrong in one way. `c` is a fresh client id, `[victim, clock]` an id that exists. */
const UPDATES = {
  'claims 2^28 clients': () => giant(28),
  'claims 2^53 clients': () => giant(53),
  'claims 2^28 blocks': (_, c) => encode((e) => [1, 2 ** 28, c, 0].forEach((n) => uint(e, n))),
  'claims more blocks than it has': (_, c) => update(c, 0, [item({ ref: 4, content: string('x') })], [], 9),
  'no blocks, a million deletions claimed': () => encode((e) => [0, 1_000_000].forEach((n) => uint(e, n))),
  'a client without blocks': (_, c) => encode((e) => [1, 0, c, 0, 0].forEach((n) => uint(e, n))),
  'the same client twice': (_, c) => encode((e) => {
    uint(e, 2)
    for (let i = 0; i < 2; i++) {
      ;[1, c, 0].forEach((n) => uint(e, n))
      struct(e, { ref: 4, content: string(`${i}`) })
    }
    uint(e, 0)
  }),
  'varint without end': (chance) => new Uint8Array(chance.pick([11, 100, 1000])).fill(0xff),
  'string of 2^53 bytes': (_, c) => update(c, 0, [item({ ref: 4, content: (e) => raw(e, giant(53)) })]),
  'string of 2^31 bytes': (_, c) => update(c, 0, [item({ ref: 4, content: (e) => uint(e, 2 ** 31) })]),
  'string not UTF-8': (_, c) => update(c, 0, [item({ ref: 4, content: (e) => block(e, Uint8Array.of(0xff, 0xfe, 0xc0)) })]),
  'string with half a surrogate': (_, c) => update(c, 0, [item({ ref: 4, content: (e) => block(e, Uint8Array.of(0xed, 0xa0, 0x80)) })]),
  'empty string block': (_, c) => update(c, 0, [item({ ref: 4, content: string('') })]),
  'GC of length 0': (_, c) => update(c, 0, [bare(0, 0)]),
  'skip of length 0': (_, c) => update(c, 0, [bare(10, 0), item({ ref: 4, content: string('x') })]),
  'only a skip': (_, c) => update(c, 0, [bare(10, 5)]),
  'deleted content of length 0': (_, c) => update(c, 0, [item({ ref: 1, content: (e) => uint(e, 0) })]),
  'deleted content of length 2^32': (_, c) => update(c, 0, [item({ ref: 1, content: (e) => uint(e, 2 ** 32) })]),
  'any list of length 0': (_, c) => update(c, 0, [item({ ref: 8, content: (e) => uint(e, 0) })]),
  'any list of 2^27': (_, c) => update(c, 0, [item({ ref: 8, content: (e) => uint(e, 2 ** 27) })]),
  'any map of 2^27': (_, c) => update(c, 0, [item({ ref: 8, content: any(concat(Uint8Array.of(118), giant(27))) })]),
  'any array of 2^53': (_, c) => update(c, 0, [item({ ref: 8, content: any(concat(Uint8Array.of(117), giant(53))) })]),
  'any arrays 10,000 deep': (_, c) => update(c, 0, [item({ ref: 8, content: any(nest([117, 1], 10_000, [126])) })]),
  'any maps 10,000 deep': (_, c) => update(c, 0, [item({ ref: 8, content: any(nest([118, 1, 1, 97], 10_000, [126])) })]),
  'any arrays 100 deep': (_, c) => update(c, 0, [item({ ref: 8, content: any(nest([117, 1], 100, [126])) })]),
  'any of an unknown kind': (chance, c) => update(c, 0, [item({ ref: 8, content: any(Uint8Array.of(chance.between(0, 115))) })]),
  'any integer beyond 2^53': (_, c) => update(c, 0, [item({ ref: 8, content: any(concat(Uint8Array.of(125), giant(62))) })]),
  'any negative zero integer': (_, c) => update(c, 0, [item({ ref: 8, content: any(Uint8Array.of(125, 0x40)) })]),
  'any NaN and bigint': (_, c) => update(c, 0, [item({ ref: 8, content: (e) => {
    uint(e, 2)
    raw(e, Uint8Array.of(123, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1))
    raw(e, Uint8Array.of(122, 0x80, 0, 0, 0, 0, 0, 0, 0))
  } })]),
  'any map with the key __proto__': (_, c) => update(c, 0, [item({ ref: 8, content: any(encode((e) => encoding.writeAny(e, JSON.parse('{"__proto__":{"polluted":true}}')))) })]),
  'embed of JSON 10,000 deep': (_, c) => update(c, 0, [item({ ref: 5, content: string(nestedJson(10_000)) })]),
  'embed of no JSON': (chance, c) => update(c, 0, [item({ ref: 5, content: string(chance.pick(['', '{', 'undefined', 'NaN', '{"a":}', '1e999'])) })]),
  'format of no JSON': (chance, c) => update(c, 0, [item({ ref: 6, content: (e) => {
    text(e, 'bold')
    text(e, chance.pick(['', '{', 'undefined', '\u0000', '[1,']))
  } })]),
  'format of JSON 10,000 deep': (_, c) => update(c, 0, [item({ ref: 6, content: (e) => {
    text(e, 'bold')
    text(e, nestedJson(10_000))
  } })]),
  'old JSON content': (chance, c) => update(c, 0, [item({ ref: 2, content: (e) => {
    uint(e, 2)
    text(e, chance.pick(['1', 'undefined', '{']))
    text(e, '"x"')
  } })]),
  'type of an unknown kind': (chance, c) => update(c, 0, [item({ ref: 7, content: (e) => uint(e, chance.between(7, 300)) })]),
  'XML element with a hostile name': (chance, c) => update(c, 0, [item({ ref: 7, parent: 'xml', content: (e) => {
    uint(e, chance.pick([3, 5]))
    text(e, chance.pick(['', '\u0000', '__proto__', 'constructor', '<script>', 'x'.repeat(70_000)]))
  } })]),
  'content of an unknown kind': (chance, c) => update(c, 0, [item({ ref: chance.between(11, 31), content: string('x') })]),
  'subdocument with options null': (_, c) => update(c, 0, [item({ ref: 9, content: (e) => {
    text(e, 'guid')
    raw(e, Uint8Array.of(126))
  } })]),
  'subdocument with other than an object': (chance, c) => update(c, 0, [item({ ref: 9, content: (e) => {
    text(e, chance.pick(['', 'guid', '\u0000']))
    raw(e, chance.pick([Uint8Array.of(127), Uint8Array.of(120), Uint8Array.of(117, 0), Uint8Array.of(125, 1), Uint8Array.of(119, 1, 97)]))
  } })]),
  'subdocument that loads itself': (_, c) => update(c, 0, [item({ ref: 9, content: (e) => {
    text(e, 'self')
    encoding.writeAny(e, { gc: false, autoLoad: true, meta: { deep: [[[[[]]]]] } })
  } })]),
  'its own left neighbour': (_, c) => update(c, 0, [item({ ref: 4, origin: [c, 0], content: string('x') })]),
  'its own right neighbour': (_, c) => update(c, 0, [item({ ref: 4, right: [c, 0], content: string('x') })]),
  'its own parent': (_, c) => update(c, 0, [item({ ref: 4, parent: [c, 0], content: string('x') })]),
  'a left neighbour of its own future': (_, c) => update(c, 0, [item({ ref: 4, origin: [c, 7], content: string('x') })]),
  'two blocks that wait for each other': (_, c) => encode((e) => {
    uint(e, 2)
    for (const [mine, other] of [[c, c + 1], [c + 1, c]]) {
      ;[1, mine, 0].forEach((n) => uint(e, n))
      struct(e, { ref: 4, origin: [other, 0], content: string('x') })
    }
    uint(e, 0)
  }),
  'a parent that is a text': (_, c, [victim, clock]) => update(c, 0, [item({ ref: 4, parent: [victim, clock], content: string('x') })]),
  'a parent that never came': (_, c) => update(c, 0, [item({ ref: 4, parent: [c + 9, 3], content: string('x') })]),
  'neighbours from different parents': (_, c, [victim, clock]) => update(c, 0, [
    item({ ref: 4, parent: 'elsewhere', content: string('x') }),
    item({ ref: 4, origin: [c, 0], right: [victim, clock], content: string('y') }),
  ]),
  'left and right exchanged': (_, c) => update(c, 0, [
    item({ ref: 4, content: string('ab') }),
    item({ ref: 4, origin: [c, 1], right: [c, 0], content: string('y') }),
  ]),
  'a map key in a list': (chance, c) => update(c, 0, [item({ ref: 8, parent: 'text', sub: chance.pick(['', '__proto__', 'constructor', 'k'.repeat(70_000)]), content: any(Uint8Array.of(120)) })]),
  'three GC blocks at the top of the clock': (chance, c) => chance.pick([
    update(c, 0, [bare(0, 2 ** 32 - 1)]),
    update(c, 2 ** 32 - 1, [bare(0, 10)]),
    update(c, 2 ** 32 - 6, [bare(0, 3)]),
  ]),
  'a million GC of somebody else': (_, _c, [victim, clock]) => update(victim, clock + 1, [bare(0, 1_000_000)]),
  'a block over an existing one': (_, _c, [victim]) => update(victim, 0, [item({ ref: 4, content: string('forged') })]),
  'a clock near 2^31': (_, c) => update(c, 2 ** 31 - 2, [item({ ref: 4, content: string('xxxxx') })]),
  'a clock of 2^53': (_, c) => update(c, Number.MAX_SAFE_INTEGER, [item({ ref: 4, content: string('x') })]),
  'a client of 2^53': () => update(Number.MAX_SAFE_INTEGER, 0, [item({ ref: 4, content: string('x') })]),
  'a client of 2^32': () => update(2 ** 32, 0, [item({ ref: 4, content: string('x') })]),
  'client 0': () => update(0, 0, [item({ ref: 4, content: string('x') })]),
  'a gap that never closes': (chance, c) => update(c, chance.between(1, 1000), [item({ ref: 4, content: string('p'.repeat(2000)) })]),
  'deletes 2^32 of somebody else': (_, _c, [victim]) => update(0, 0, [], [[victim, 0, 2 ** 32]]),
  'deletes length 0': (_, _c, [victim]) => update(0, 0, [], [[victim, 0, 0]]),
  'deletes what never was': (_, c) => update(0, 0, [], [[c, 5, 2 ** 31]]),
  'deletes at the top of the clock': (_, c) => update(0, 0, [], [[c, 2 ** 32 - 1, 2 ** 32 - 1]]),
  'deletes in 20,000 pieces that overlap': (_, _c, [victim]) => encode((e) => {
    ;[0, 1, victim, 20_000].forEach((n) => uint(e, n))
    for (let i = 0; i < 20_000; i++) {
      uint(e, i % 7)
      uint(e, 3)
    }
  }),
  'bytes after the end': (chance, c) => concat(update(c, 0, [item({ ref: 4, content: string('x') })]), chance.bytes(chance.between(1, 64))),
  'nothing at all': () => new Uint8Array(0),
  'one byte': (chance) => chance.bytes(1),
  '200 KB of one block': (_, c) => update(c, 0, [item({ ref: 3, content: (e) => block(e, new Uint8Array(200_000)) })]),
  'an update in format v2': (_, c, _id, sample) => Y.convertUpdateFormatV1ToV2(sample),
}

const STATE_VECTORS = {
  'claims 2^28': () => giant(28),
  'claims 2^53': () => giant(53),
  'claims 2^29 and has two': () => encode((e) => [2 ** 29, 1, 1, 2, 2].forEach((n) => uint(e, n))),
  'clocks of 2^53': () => encode((e) => [2, 1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 1].forEach((n) => uint(e, n))),
  'the same client 1,000 times': () => encode((e) => {
    uint(e, 1000)
    for (let i = 0; i < 1000; i++) [7, i].forEach((n) => uint(e, n))
  }),
  '100,000 clients': () => encode((e) => {
    uint(e, 100_000)
    for (let i = 0; i < 100_000; i++) [i, 1].forEach((n) => uint(e, n))
  }),
  truncated: () => Uint8Array.of(3, 1, 5, 2),
  'bytes after the end': (chance) => concat(Uint8Array.of(0), chance.bytes(40)),
  nothing: () => new Uint8Array(0),
  noise: (chance) => chance.bytes(chance.between(1, 60)),
}

// ---- Awareness ----

const states = (list, claimed = list.length) =>
  encode((e) => {
    uint(e, claimed)
    for (const [id, clock, json] of list) {
      uint(e, id)
      uint(e, clock)
      text(e, json)
    }
  })

/** The last argument is an id that another live client owns. */
const AWARENESS = {
  'claims 2^28': () => giant(28),
  'claims more than it has': () => states([[1, 1, '{}']], 50),
  '10,000 states': () => states(Array.from({ length: 10_000 }, (_, i) => [i + 1, 1, '{}'])),
  'no JSON': (chance, c) => states([[c, 1, chance.pick(['', '{', 'not json', 'undefined', 'NaN', '{"a":', '\u0000'])]]),
  'JSON 10,000 deep': (_, c) => states([[c, 1, nestedJson(10_000)]]),
  'JSON that is no object': (chance, c) => states([[c, 1, chance.pick(['1', '"x"', 'true', '[]', '-0', '1e400'])]]),
  'a state of 300 KB': (_, c) => states([[c, 1, JSON.stringify({ name: 'x'.repeat(300_000) })]]),
  'the prototype': (_, c) => states([[c, 1, '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}']]),
  'clock 2^32-1': (_, c) => states([[c, 2 ** 32 - 1, 'null']]),
  'clock 2^53': (_, c) => states([[c, Number.MAX_SAFE_INTEGER, '{}']]),
  'client 2^53': () => states([[Number.MAX_SAFE_INTEGER, 1, '{}']]),
  'the same client with clocks up and down': (_, c) => states([[c, 5, '{}'], [c, 3, '{"x":1}'], [c, 9, 'null'], [c, 9, '{}']]),
  "somebody else's null": (_, _c, victim) => states([[victim, 1_000_000, 'null']]),
  "somebody else's state": (_, _c, victim) => states([[victim, 1_000_000, '{"user":{"name":"forged"}}']]),
  'name not UTF-8': (_, c) => concat(Uint8Array.of(1), encode((e) => [c, 1].forEach((n) => uint(e, n))), Uint8Array.of(3, 0xff, 0xfe, 0xfd)),
  'bytes after the end': (chance, c) => concat(states([[c, 1, '{}']]), chance.bytes(20)),
  nothing: () => new Uint8Array(0),
  noise: (chance) => chance.bytes(chance.between(1, 80)),
}

/** One frame of a million states: sent a few times only, for its 7 MB. */
export const awarenessBomb = () => states(Array.from({ length: 1_000_000 }, (_, i) => [i + 1, 1, '{}']))

// ---- Frames ----

const sync = (step, payload) => encode((e) => {
  uint(e, 0)
  uint(e, step)
  block(e, payload)
})
const awareness = (payload) => encode((e) => {
  uint(e, 1)
  block(e, payload)
})

/** Frames that the y-websocket family understands or should refuse, beside those that carry an update. */
const ODD = {
  'no bytes': () => new Uint8Array(0),
  'one byte': (chance) => chance.bytes(1),
  'unknown message': (chance) => encode((e) => {
    uint(e, chance.pick([4, 5, 6, 7, 8, 9, 10, 50, 101, 103, 127, 128, 255, 2 ** 31, 2 ** 53 - 1]))
    block(e, chance.bytes(8))
  }),
  'unknown sync step': (chance) => encode((e) => {
    uint(e, 0)
    uint(e, chance.pick([3, 4, 5, 127, 2 ** 40]))
    block(e, chance.bytes(8))
  }),
  'a block longer than the frame': (chance) => encode((e) => {
    ;[0, chance.between(0, 2), chance.pick([10, 2 ** 31, 2 ** 53 - 1])].forEach((n) => uint(e, n))
    raw(e, chance.bytes(4))
  }),
  'permission denied, from a client': () => encode((e) => {
    ;[2, 0].forEach((n) => uint(e, n))
    text(e, 'you may not')
  }),
  'permission granted, from a client': () => Uint8Array.of(2, 1),
  'unknown authentication': (chance) => encode((e) => [2, chance.between(2, 400)].forEach((n) => uint(e, n))),
  'query for awareness with a tail': (chance) => concat(Uint8Array.of(3), chance.bytes(chance.between(0, 200))),
  'forty messages in one frame': (chance) => concat(...Array.from({ length: 40 }, () => chance.pick([sync(0, Uint8Array.of(0)), Uint8Array.of(3), awareness(Uint8Array.of(0))]))),
  'a good message, then noise': (chance) => concat(sync(0, Uint8Array.of(0)), chance.bytes(chance.between(1, 30))),
  'noise of 64 KB': (chance) => chance.bytes(65_536),
}

const Y_SWEET_ODD = {
  ...ODD,
  'version beyond 2^53': () => encode((e) => {
    uint(e, 102)
    block(e, giant(63))
  }),
  'version without a body': () => encode((e) => uint(e, 102)),
  'version with an empty body': () => encode((e) => [102, 0].forEach((n) => uint(e, n))),
  'version of 100 KB': (chance) => encode((e) => {
    uint(e, 102)
    block(e, chance.bytes(100_000))
  }),
  'a thousand versions in one frame': () => concat(...Array.from({ length: 1000 }, () => Uint8Array.of(102, 1, 5))),
}

/** Hocuspocus frames, of which most carry an address. `room` is the document this socket is in. */
const addressed = (address, type, write = () => {}) => encode((e) => {
  text(e, address)
  uint(e, type)
  write(e)
})
const HOCUSPOCUS_ODD = {
  'no bytes': () => new Uint8Array(0),
  'one byte': (chance) => chance.bytes(1),
  'ping, from a client': () => Uint8Array.of(9),
  'pong unasked': () => Uint8Array.of(10),
  'ping with an address': (_, room) => addressed(room, 9),
  'an address without a message': (_, room) => encode((e) => text(e, room)),
  'an address longer than the frame': () => concat(giant(53), Uint8Array.of(97)),
  'an address not UTF-8': (chance) => concat(Uint8Array.of(3), chance.bytes(3).map((b) => b | 0x80), Uint8Array.of(2, 0)),
  'an empty address': () => addressed('', 2, (e) => {
    uint(e, 0)
    text(e, 'token')
  }),
  'a hostile address': (chance) => addressed(chance.pick(['\0', '\0\0', 'a\0', '\0a', 'a\0b\0c', '../../etc/passwd', "'; drop table documents; --", '\n\r', '\u202e', '__proto__', 'x'.repeat(100_000)]), 2, (e) => {
    uint(e, 0)
    text(e, 'token')
  }),
  'an address never opened': (chance) => addressed(`stranger-${chance.u32()}`, chance.pick([0, 1, 3, 5, 7]), (e) => raw(e, Uint8Array.of(0, 1, 0))),
  'a token of 300 KB': (_, room) => addressed(room, 2, (e) => {
    uint(e, 0)
    text(e, 't'.repeat(300_000))
  }),
  'a token not UTF-8': (_, room) => addressed(room, 2, (e) => {
    uint(e, 0)
    block(e, Uint8Array.of(0xff, 0xff))
  }),
  'a token cut short': (_, room) => addressed(room, 2, (e) => [0, 50].forEach((n) => uint(e, n))),
  'permission denied, from a client': (_, room) => addressed(room, 2, (e) => {
    uint(e, 1)
    text(e, 'you may not')
  }),
  'authenticated, from a client': (_, room) => addressed(room, 2, (e) => {
    uint(e, 2)
    text(e, 'read-write')
  }),
  'unknown authentication': (chance, room) => addressed(room, 2, (e) => uint(e, chance.between(3, 400))),
  'a message between servers: broadcast': (_, room) => addressed(room, 6, (e) => text(e, 'to all')),
  'a message between servers: sync reply': (_, room) => addressed(room, 4, (e) => raw(e, sync(1, Uint8Array.of(0, 0)).subarray(1))),
  'a stateless message of 300 KB': (_, room) => addressed(room, 5, (e) => text(e, 's'.repeat(300_000))),
  'a stateless message cut short': (_, room) => addressed(room, 5, (e) => uint(e, 90)),
  'close with a body': (_, room) => addressed(room, 7, (e) => text(e, 'because')),
  'sync status, from a client': (chance, room) => addressed(room, 8, (e) => uint(e, chance.pick([0, 1, 2, 2 ** 40]))),
  'unknown message': (chance, room) => addressed(room, chance.pick([11, 50, 102, 127, 255, 2 ** 31, 2 ** 53 - 1]), (e) => raw(e, chance.bytes(8))),
  'a type without end': (_, room) => concat(encode((e) => text(e, room)), new Uint8Array(40).fill(0xff)),
  'query for awareness with a tail': (chance, room) => addressed(room, 3, (e) => raw(e, chance.bytes(100))),
  'a frame of another dialect': () => sync(0, Uint8Array.of(0)),
}

/** Frames that belong together, for attacks that need more than one. */
const HOCUSPOCUS_SERIES = {
  'fifty documents in a row': (chance) => {
    const run = chance.u32()
    return Array.from({ length: 50 }, (_, i) => addressed(`many-${run}-${i}`, 2, (e) => {
      uint(e, 0)
      text(e, 'token')
    }))
  },
  'close, then an edit': (chance, room) => [
    addressed(room, 7),
    addressed(room, 0, (e) => raw(e, sync(2, update(chance.u32(), 0, [item({ ref: 4, content: string('late') })])).subarray(1))),
  ],
  'a flood of tokens': (chance, room) => Array.from({ length: 100 }, () => addressed(room, 2, (e) => {
    uint(e, 0)
    text(e, `t${chance.u32()}`)
  })),
}

/** Damage to something that was right: what fuzzers find that people do not. */
const DAMAGE = {
  'bits flipped': (chance, bytes) => {
    for (let i = chance.between(1, 6); i > 0 && bytes.length; i--) bytes[chance.between(0, bytes.length - 1)] ^= 1 << chance.between(0, 7)
    return bytes
  },
  'bytes replaced': (chance, bytes) => {
    for (let i = chance.between(1, 4); i > 0 && bytes.length; i--) bytes[chance.between(0, bytes.length - 1)] = chance.pick([0, 1, 0x7f, 0x80, 0xff, chance.between(0, 255)])
    return bytes
  },
  truncated: (chance, bytes) => bytes.subarray(0, chance.between(0, Math.max(0, bytes.length - 1))),
  'a hole': (chance, bytes) => {
    const from = chance.between(0, bytes.length)
    return concat(bytes.subarray(0, from), bytes.subarray(from + chance.between(1, 8)))
  },
  'bytes put in': (chance, bytes) => {
    const at = chance.between(0, bytes.length)
    return concat(bytes.subarray(0, at), chance.bytes(chance.between(1, 8)), bytes.subarray(at))
  },
  'a piece twice': (chance, bytes) => {
    const from = chance.between(0, bytes.length)
    const piece = bytes.subarray(from, from + chance.between(1, 32))
    return concat(bytes.subarray(0, from), piece, piece, bytes.subarray(from + piece.length))
  },
  'a varint made giant': (chance, bytes) => {
    const at = chance.between(0, bytes.length)
    return concat(bytes.subarray(0, at), giant(chance.pick([28, 31, 32, 53, 63, 70])), bytes.subarray(at + 1))
  },
}

/**
 * Makes hostile frames for one dialect, in one room.
 *
 * `samples` are good updates of that room, `victim` is `[client, clock]` of a block in it, and `resident` is the client
 * id of somebody who is there.
 */
export class HostileFrames {
  constructor (chance, dialect, room, samples, { victim, resident }) {
    Object.assign(this, { chance, dialect, room, samples, victim, resident })
    this.odd = { hocuspocus: HOCUSPOCUS_ODD, 'y-sweet': Y_SWEET_ODD, 'y-websocket': ODD }[dialect]
  }

  /** The next attack: `{ name, frames }`, nearly always one frame. */
  next () {
    const { chance } = this
    const kind = chance.between(1, 100)
    if (kind <= 35) return this.#update()
    if (kind <= 60) return this.#damaged()
    if (kind <= 68) return this.#stateVector()
    if (kind <= 80) return this.#awareness()
    if (kind <= 96) return this.#odd()
    return { name: 'noise', frames: [chance.bytes(chance.between(0, 300))] }
  }

  /** What a client sends to take part: the attacks that follow are then read as a member's. */
  opening () {
    const hello = this.#wrap(sync(0, Uint8Array.of(0)))
    if (this.dialect !== 'hocuspocus') return [hello]
    return [addressed(this.room, 2, (e) => {
      uint(e, 0)
      text(e, 'open')
    }), hello]
  }

  bomb () {
    return { name: 'awareness: a million states', frames: [this.#wrap(awareness(awarenessBomb()))] }
  }

  #wrap (frame) {
    return this.dialect === 'hocuspocus' ? concat(encode((e) => text(e, this.room)), frame) : frame
  }

  #client () {
    return this.chance.between(1, 2 ** 31)
  }

  #update () {
    const name = this.chance.pick(Object.keys(UPDATES))
    const payload = UPDATES[name](this.chance, this.#client(), this.victim, this.chance.pick(this.samples))
    return { name: `update: ${name}`, frames: [this.#wrap(sync(this.chance.pick([1, 2]), payload))] }
  }

  #stateVector () {
    const name = this.chance.pick(Object.keys(STATE_VECTORS))
    return { name: `state vector: ${name}`, frames: [this.#wrap(sync(0, STATE_VECTORS[name](this.chance)))] }
  }

  #awareness () {
    const name = this.chance.pick(Object.keys(AWARENESS))
    return { name: `awareness: ${name}`, frames: [this.#wrap(awareness(AWARENESS[name](this.chance, this.#client(), this.resident)))] }
  }

  #odd () {
    const series = this.dialect === 'hocuspocus' ? HOCUSPOCUS_SERIES : {}
    const name = this.chance.pick([...new Set([...Object.keys(this.odd), ...Object.keys(series)])])
    const frames = series[name] ? series[name](this.chance, this.room) : [this.odd[name](this.chance, this.room)]
    return { name: `message: ${name}`, frames }
  }

  /** Damage inside the update keeps its frame whole; damage to the frame is met by the outer decoder. */
  #damaged () {
    const { chance } = this
    const name = chance.pick(Object.keys(DAMAGE))
    const damage = (bytes) => DAMAGE[name](chance, Uint8Array.from(bytes))
    const good = chance.pick(this.samples)
    const inside = chance.between(1, 10) <= 7
    const frame = inside ? this.#wrap(sync(2, damage(good))) : damage(this.#wrap(chance.oneIn(5) ? awareness(this.#presence()) : sync(2, good)))
    return { name: `damaged ${inside ? 'update' : 'frame'}: ${name}`, frames: [frame] }
  }

  #presence () {
    const doc = new Y.Doc()
    const presence = new Awareness(doc)
    presence.setLocalState({ user: { name: 'mallory', color: '#f00' }, cursor: { anchor: 1, head: 2 } })
    const bytes = encodeAwarenessUpdate(presence, [doc.clientID])
    presence.destroy()
    return bytes
  }
}
