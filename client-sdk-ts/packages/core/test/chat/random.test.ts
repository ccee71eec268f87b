// Random drops, reorders and losses with several people: everybody ends with the same list, in order, nothing lost,
// nothing double. A seed that failed stays a bug report: run it alone with `SEED=17`.

import { expect, test } from "vitest";
import { generator, settled } from "../fakes.js";
import { ChatServer, type Person } from "./server.js";

const ROUNDS = 150;
const STEPS = 120;
const { SEED } = process.env;
const seeds = SEED === undefined ? Array.from({ length: ROUNDS }, (_, i) => i + 1) : [Number(SEED)];

class Round {
  readonly server = new ChatServer();
  readonly people: Person[];
  readonly posted: string[] = [];
  readonly removed = new Set<number>();
  readonly random: () => number;

  constructor(seed: number) {
    this.random = generator(seed);
    this.server.openCountMax = 3;
    this.server.refuse = () => {
      const roll = this.random();
      if (roll < 0.04) return { code: "too_fast", hint: "slower", retryMs: 500 };
      return roll < 0.08 ? { code: "away", hint: "the store is away" } : null;
    };
    const names = ["ada", "bob", "ada", null];
    this.people = names.map((name) => this.server.enter(name, { pageCount: 4 }));
  }

  pick(count: number): number {
    return Math.floor(this.random() * count);
  }

  step(index: number): void {
    const person = this.people[this.pick(this.people.length)] as Person;
    const { chat } = person;
    const seq = 1 + this.pick(this.server.rows.length);
    // Who is told no by the server (a message that is not there yet) is told in other tests.
    const quietly = (promise: Promise<unknown>) => void promise.catch(() => {});
    switch (this.pick(14)) {
      case 0:
      case 1:
      case 2: {
        const text = `${this.people.indexOf(person)}:${index}`;
        const answered = this.random() < 0.2 ? { thread: seq } : {};
        chat.post(text, answered);
        this.posted.push(text);
        break;
      }
      case 3:
        quietly(chat.react(seq, "👍", this.random() < 0.7));
        break;
      case 4:
        if (this.random() < 0.3) {
          this.removed.add(seq);
          quietly(chat.remove(seq));
        }
        break;
      case 5:
        chat.markRead();
        break;
      case 6:
        if (this.random() < 0.4) quietly(chat.loadOlder());
        break;
      case 7:
        if (person.status === "connected") person.drop();
        else person.back();
        break;
      case 8:
      case 9:
        person.send();
        break;
      case 10:
        person.hearAnswer();
        break;
      case 11:
        // In any order, and some never.
        if (this.random() < 0.3) person.changes.splice(this.pick(person.changes.length), 1);
        else person.hearChange(this.pick(person.changes.length));
        break;
      case 12:
        for (const each of this.people) each.sendAll();
        break;
      case 13:
        this.server.clock.advance(this.pick(4_000));
        break;
    }
  }

  async finish(): Promise<void> {
    this.server.refuse = () => null;
    for (const person of this.people) if (person.status !== "connected") person.back();
    // The last changes may be lost, which nobody can see before the silence.
    for (let turn = 0; turn < 4; turn += 1) await this.server.pass(31_000);
    for (const { chat } of this.people) {
      while (chat.hasOlder) {
        const more = chat.loadOlder();
        await this.server.settle();
        await more;
      }
    }
  }
}

test("everybody ends with the same list", async () => {
  for (const seed of seeds) {
    const round = new Round(seed);
    for (let index = 0; index < STEPS; index += 1) {
      round.step(index);
      if (index % 3 === 0) await settled();
    }
    await round.finish();
    const { server, people } = round;
    const truth = server.rows.map(({ seq, text, deleted, reactions }) => [
      seq,
      text,
      deleted === true,
      Object.entries(reactions ?? {}),
    ]);
    for (const { chat, user } of people) {
      const seen = chat.messages.map(({ seq, text, deleted, reactions }) => [
        seq,
        text,
        deleted,
        reactions.map(({ emoji, users }) => [emoji, users]),
      ]);
      expect(seen, `seed ${seed}`).toEqual(truth);
      expect(chat.messages.every(({ state }) => state === "sent")).toBe(true);
      expect(new Set(chat.messages.map(({ id }) => id)).size).toBe(truth.length);
      if (user !== null) expect(chat.readSeq).toBe(server.reads.get(user) ?? 0);
    }
    // Each post is there once, and those of one client in the order in which they were written.
    const texts = server.rows.filter(({ deleted }) => deleted !== true).map(({ text }) => text);
    const left = round.posted.filter((text) => texts.includes(text));
    expect([...texts].sort()).toEqual([...left].sort());
    expect(server.rows).toHaveLength(round.posted.length);
    for (const client of ["0", "1", "2", "3"]) {
      const own = (text: string) => text.startsWith(`${client}:`);
      expect(texts.filter(own), `seed ${seed}`).toEqual(left.filter(own));
    }
    expect(server.errors).toEqual([]);
    for (const { chat } of people) chat.destroy();
    expect(server.clock.timers.size).toBe(0);
  }
}, 60_000);
