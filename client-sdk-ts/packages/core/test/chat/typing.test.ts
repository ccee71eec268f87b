// Who is typing: seen at once, said seldom, and forgotten.

import { expect, test } from "vitest";
import {
  type ChatHost,
  chat,
  TYPING_EVERY_MS,
  TYPING_IDLE_MS,
  TYPING_MS_MAX,
} from "../../src/chat/index.js";
import { Hall } from "../presence/hall.js";

function seated(names: readonly string[]) {
  const hall = new Hall();
  const seats = names.map((name, index) => {
    const awareness = hall.enter(index + 1);
    awareness.setLocalState({ user: { id: name, name: name.toUpperCase() } });
    const host: ChatHost = {
      awareness,
      status: "connecting",
      user: name,
      on: () => () => {},
      callChat: () => null,
    };
    return chat(host, hall.around());
  });
  return { hall, seats };
}

const names = (seat: ReturnType<typeof chat> | undefined) =>
  seat?.typists.map(({ name }) => name) ?? [];

test("others see who types and where, and oneself and one's other tabs do not", () => {
  const { hall, seats } = seated(["ada", "bob", "ada"]);
  const [ada, bob, tab] = seats;
  ada?.typing(7);
  expect(bob?.typists).toEqual([{ clientId: 1, userId: "ada", name: "ADA", thread: 7 }]);
  expect([names(ada), names(tab)]).toEqual([[], []]);
  ada?.stopTyping();
  expect(names(bob)).toEqual([]);
  hall.close();
});

test("a fast writer is said seldom, and forgotten some time after the last key", () => {
  const { hall, seats } = seated(["ada", "bob"]);
  const [ada, bob] = seats;
  let said = 0;
  let seen = 0;
  ada?.subscribe(() => {});
  const awareness = hall.enter(9);
  awareness.on("update", ({ updated }: { updated: number[] }) => {
    if (updated.includes(1)) said += 1;
  });
  bob?.subscribe(() => {
    seen += 1;
  });
  for (let ms = 0; ms < 10 * TYPING_EVERY_MS; ms += 100) {
    ada?.typing();
    hall.clock.advance(100);
    expect(names(bob)).toEqual(["ADA"]);
  }
  expect(said).toBe(10);
  expect(seen).toBe(1);
  hall.clock.advance(TYPING_IDLE_MS - 101);
  expect(names(bob)).toEqual(["ADA"]);
  hall.clock.advance(1);
  expect(names(bob)).toEqual([]);
  hall.close();
});

test("one who fell asleep is forgotten, and a moved cursor brings nobody back", () => {
  const { hall, seats } = seated(["ada"]);
  const [ada] = seats;
  const sleeper = hall.enter(5);
  sleeper.setLocalState({ name: "Bob", typing: { count: 1 } });
  expect(names(ada)).toEqual(["Bob"]);
  hall.clock.advance(TYPING_MS_MAX - 1);
  sleeper.setLocalStateField("cursor", { x: 1 });
  hall.clock.advance(1);
  expect(names(ada)).toEqual([]);
  sleeper.setLocalStateField("cursor", { x: 2 });
  expect(names(ada)).toEqual([]);
  sleeper.setLocalStateField("typing", { count: 2 });
  expect(names(ada)).toEqual(["Bob"]);
  hall.close();
});

test("what strangers show is taken for what it is", () => {
  const { hall, seats } = seated(["ada"]);
  const [ada] = seats;
  const stranger = hall.enter(5);
  stranger.setLocalState({ typing: "yes", user: 7 });
  expect(names(ada)).toEqual([]);
  stranger.setLocalState({ typing: { thread: "x", count: {} }, user: { id: 4, name: "a\u202Eb" } });
  expect(ada?.typists).toEqual([{ clientId: 5, userId: null, name: "a b", thread: null }]);
  hall.close();
});

test("a post ends it, and the end of the chat does", () => {
  const { hall, seats } = seated(["ada", "bob"]);
  const [ada, bob] = seats;
  ada?.typing();
  ada?.post("done");
  expect(names(bob)).toEqual([]);
  ada?.typing();
  ada?.destroy();
  expect(names(bob)).toEqual([]);
  bob?.destroy();
  expect(hall.clock.timers.size).toBe(0);
  hall.close();
});
