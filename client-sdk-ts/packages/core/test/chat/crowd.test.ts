// A crowd: 100 people, 50 messages a second, and connections that drop all the time.

import { expect, test } from "vitest";
import { generator } from "../fakes.js";
import { ChatServer } from "./server.js";

const PEOPLE = 100;
const SECONDS = 8;
const MESSAGES_PER_SECOND = 50;
const TICKS_PER_SECOND = 10;

test("everybody ends with the same list, in order, nothing lost, nothing double", async () => {
  const random = generator(7);
  const server = new ChatServer();
  const people = Array.from({ length: PEOPLE }, (_, index) => server.enter(`p${index}`));
  await server.settle();
  let posted = 0;
  for (let tick = 0; tick < SECONDS * TICKS_PER_SECOND; tick += 1) {
    for (let i = 0; i < MESSAGES_PER_SECOND / TICKS_PER_SECOND; i += 1) {
      people[Math.floor(random() * PEOPLE)]?.chat.post(`${posted}`);
      posted += 1;
    }
    for (const person of people) {
      const roll = random();
      if (person.status !== "connected") {
        if (roll < 0.3) person.back();
      } else if (roll < 0.05) {
        // The server has heard some of it, and what it answered is lost.
        person.send();
        person.drop();
      } else if (roll < 0.1) {
        person.changes.splice(0, 1);
      }
    }
    await server.pass(1_000 / TICKS_PER_SECOND);
  }
  for (const person of people) if (person.status !== "connected") person.back();
  for (let turn = 0; turn < 3; turn += 1) await server.pass(31_000);

  const truth = server.rows.map(({ seq, text }) => [seq, text]);
  expect(truth).toHaveLength(SECONDS * MESSAGES_PER_SECOND);
  expect(new Set(server.rows.map(({ text }) => text)).size).toBe(truth.length);
  for (const { chat } of people) {
    expect(chat.messages.map(({ seq, text }) => [seq, text])).toEqual(truth);
    expect(chat.messages.every(({ state }) => state === "sent")).toBe(true);
    chat.destroy();
  }
  expect(server.clock.timers.size).toBe(0);
  expect(server.errors).toEqual([]);
}, 60_000);
