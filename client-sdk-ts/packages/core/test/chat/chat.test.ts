// The chat of a room: what is shown, what is sent, and what is asked for when something is missing.

import { beforeEach, describe, expect, test } from "vitest";
import { ANSWER_MS_MAX, AWAY_MS_BASE } from "../../src/chat/calls.js";
import { READ_EVERY_MS } from "../../src/chat/chat.js";
import { HOLE_MS_MAX, SILENCE_MS_MAX } from "../../src/chat/feed.js";
import { ChatError, chat, TEXT_LENGTH_MAX } from "../../src/chat/index.js";
import { settled, World } from "../fakes.js";
import { ChatServer, type Person } from "./server.js";

let server: ChatServer;
beforeEach(() => {
  server = new ChatServer();
});

/** People who have the chat open. */
async function people(...users: (string | null)[]): Promise<Person[]> {
  const entered = users.map((user) => server.enter(user));
  await server.settle();
  return entered;
}

async function written(person: Person, count: number): Promise<void> {
  for (let i = 1; i <= count; i += 1) person.chat.post(`${i}`);
  await server.settle();
}

const states = ({ chat }: Person) => chat.messages.map(({ state }) => state);

describe("a post", () => {
  test("is shown at once, is the same message when it is sent, and comes to everybody", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    const shown = ada.chat.post("  hi @bob\r\n", { mentions: ["bob", "bob"] });
    expect(ada.chat.messages).toEqual([shown]);
    expect(shown).toMatchObject({ state: "sending", seq: null, text: "hi @bob", isMine: true });
    await server.settle();
    expect(ada.chat.messages).toMatchObject([
      { id: shown.id, state: "sent", seq: 1, user: "ada", name: "ADA", mentions: ["bob"] },
    ]);
    expect(bob.chat.messages).toMatchObject([{ state: "sent", text: "hi @bob", isMine: false }]);
  });

  test("waits for a connection, and is sent once although its answer was lost", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    ada.drop();
    ada.chat.post("one");
    ada.chat.post("two");
    expect(ada.requests).toEqual([]);
    ada.back();
    await settled();
    ada.sendAll();
    expect(server.rows.map(({ text }) => text)).toEqual(["one"]);
    ada.drop();
    expect(states(ada)).toEqual(["sending", "sending"]);
    ada.back();
    await server.settle();
    expect(server.rows.map(({ text }) => text)).toEqual(["one", "two"]);
    expect([ada.texts, bob.texts]).toEqual([
      ["one", "two"],
      ["one", "two"],
    ]);
    expect(states(ada)).toEqual(["sent", "sent"]);
  });

  test("whose answer never comes is made again", async () => {
    const [ada] = (await people("ada")) as [Person];
    ada.chat.post("one");
    ada.sendAll();
    ada.answers.length = 0;
    ada.changes.length = 0;
    await server.pass(ANSWER_MS_MAX);
    expect(states(ada)).toEqual(["sent"]);
    expect(server.rows).toHaveLength(1);
  });

  test("that is too fast waits as long as it is told, and nothing overtakes it", async () => {
    const [ada] = (await people("ada")) as [Person];
    server.refuse = () => ({ code: "too_fast", hint: "slower", retryMs: 700 });
    ada.chat.post("one");
    await server.settle();
    server.refuse = () => null;
    ada.chat.post("two");
    await server.pass(699);
    expect(server.rows).toEqual([]);
    expect(states(ada)).toEqual(["sending", "sending"]);
    await server.pass(1);
    expect(server.rows.map(({ text }) => text)).toEqual(["one", "two"]);
  });

  test("is made again, less and less often, while the store is away", async () => {
    const [ada] = (await people("ada")) as [Person];
    let asked = 0;
    server.refuse = ({ post }) => {
      if (post === undefined) return null;
      asked += 1;
      return { code: "away", hint: "later" };
    };
    ada.chat.post("one");
    await server.settle();
    for (const factor of [1, 2, 4]) await server.pass(AWAY_MS_BASE * factor);
    expect(asked).toBe(4);
    await server.pass(AWAY_MS_BASE * 7);
    expect(asked).toBe(4);
    server.refuse = () => null;
    await server.pass(AWAY_MS_BASE);
    expect(states(ada)).toEqual(["sent"]);
  });

  test("that is refused says why, and is sent again or forgotten", async () => {
    const [ada] = (await people("ada")) as [Person];
    server.refuse = ({ post }) => (post ? { code: "forbidden", hint: "you may only read" } : null);
    const { id } = ada.chat.post("one");
    await server.settle();
    const [failed] = ada.chat.messages;
    expect(failed).toMatchObject({ id, state: "failed", text: "one" });
    expect(failed?.error).toBeInstanceOf(ChatError);
    expect(failed?.error).toMatchObject({ code: "forbidden", hint: "you may only read" });
    expect(ada.chat.retry("another")).toBe(false);
    expect(ada.chat.retry(id)).toBe(true);
    expect(states(ada)).toEqual(["sending"]);
    expect(ada.chat.discard(id)).toBe(false);
    await server.settle();
    expect(ada.chat.discard(id)).toBe(true);
    expect(ada.chat.messages).toEqual([]);
    expect(server.rows).toEqual([]);
  });

  test.each([
    ["nothing", " \n", "bad_request"],
    ["only what cannot be seen", "\u0000\u0007", "bad_request"],
    ["too much", "x".repeat(TEXT_LENGTH_MAX + 1), "too_long"],
  ])("of %s is refused before it is shown", async (_what, text, code) => {
    const [ada] = (await people("ada")) as [Person];
    expect(() => ada.chat.post(text)).toThrow(expect.objectContaining({ code }));
    expect(ada.chat.messages).toEqual([]);
  });

  test("as long as may be, in characters that take more than one unit", async () => {
    const [ada] = (await people("ada")) as [Person];
    ada.chat.post("👍".repeat(TEXT_LENGTH_MAX));
    await server.settle();
    expect(states(ada)).toEqual(["sent"]);
  });

  test("of markup is text", async () => {
    const [ada] = (await people("ada")) as [Person];
    ada.chat.post("<img src=x onerror=alert(1)>");
    await server.settle();
    expect(ada.texts).toEqual(["<img src=x onerror=alert(1)>"]);
  });

  test("of somebody without a token is theirs, and of no other one", async () => {
    const [one, two] = (await people(null, null)) as [Person, Person];
    one.chat.post("hello");
    await server.settle();
    expect(one.chat.messages[0]?.isMine).toBe(true);
    expect(two.chat.messages[0]?.isMine).toBe(false);
  });
});

describe("a change", () => {
  test("is seen by all, and leaves all other messages as they are", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    await written(ada, 3);
    const [first, second, third] = bob.chat.messages;
    const edited = ada.chat.edit(1, "uno");
    const liked = bob.chat.react(2, "👍");
    await server.settle();
    expect(await edited).toMatchObject({ seq: 1, text: "uno" });
    expect((await edited).editedMs).not.toBeNull();
    expect((await liked).reactions).toEqual([{ emoji: "👍", users: ["bob"], isMine: true }]);
    expect(bob.texts).toEqual(["uno", "2", "3"]);
    expect(bob.chat.messages[0]).not.toBe(first);
    expect(bob.chat.messages[1]).not.toBe(second);
    expect(bob.chat.messages[2]).toBe(third);
    expect(ada.chat.messages[1]?.reactions[0]?.isMine).toBe(false);
    const removed = ada.chat.remove(3);
    await server.settle();
    expect(await removed).toMatchObject({ seq: 3, deleted: true, text: "" });
  });

  test("that the server refuses rejects with its code and hint", async () => {
    const [ada] = (await people("ada")) as [Person];
    const failed = ada.chat.edit(7, "x").catch((error: unknown) => error);
    await server.settle();
    expect(await failed).toMatchObject({ code: "not_found", hint: "no such message" });
    await expect(ada.chat.react(1, "x".repeat(33))).rejects.toMatchObject({ code: "bad_request" });
    await expect(ada.chat.edit(1, "")).rejects.toMatchObject({ code: "bad_request" });
  });

  test("nothing new is no change, and calls nobody with another list", async () => {
    const [ada] = (await people("ada")) as [Person];
    await written(ada, 2);
    const list = ada.chat.messages;
    await server.pass(SILENCE_MS_MAX);
    expect(ada.requests).toEqual([]);
    expect(ada.chat.messages).toBe(list);
  });
});

describe("what was missed", () => {
  test("ch2 is asked for after a drop, in as many pages as it takes", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    await written(ada, 2);
    bob.drop();
    expect(bob.chat.status).toBe("connecting");
    await written(ada, 500);
    bob.back();
    expect(bob.requests).toEqual([{ open: { after: 2 } }]);
    await server.settle();
    expect(bob.chat.messages).toHaveLength(502);
    expect(bob.chat.status).toBe("live");
  });

  test("ch2 is asked for when it leaves a hole, but not when it is only late", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    for (const text of ["1", "2", "3"]) {
      ada.chat.post(text);
      await settled();
      ada.sendAll();
      ada.hearAll();
      await settled();
    }
    bob.hearChange(2);
    expect(bob.texts).toEqual(["3"]);
    bob.hearChange(1);
    server.clock.advance(HOLE_MS_MAX - 1);
    bob.hearChange(0);
    expect(bob.texts).toEqual(["1", "2", "3"]);
    server.clock.advance(HOLE_MS_MAX);
    expect(bob.requests).toEqual([]);

    await written(ada, 0);
    ada.chat.post("4");
    await settled();
    ada.sendAll();
    bob.changes.length = 0;
    ada.hearAll();
    await settled();
    ada.chat.post("5");
    await settled();
    ada.sendAll();
    bob.hearAll();
    expect(bob.texts).toEqual(["1", "2", "3", "5"]);
    server.clock.advance(HOLE_MS_MAX);
    expect(bob.requests).toEqual([{ open: { after: 3 } }]);
    await server.settle();
    expect(bob.texts).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("ch2 is asked for at once when the server itself may have missed it", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    ada.chat.post("lost");
    await settled();
    ada.sendAll();
    bob.changes.length = 0;
    bob.tell({ missed: true });
    await server.settle();
    expect(bob.texts).toEqual(["lost"]);
  });

  test("ch2 is asked for after a silence", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    ada.chat.post("lost");
    await settled();
    ada.sendAll();
    bob.changes.length = 0;
    await server.pass(SILENCE_MS_MAX - 1);
    expect(bob.texts).toEqual([]);
    await server.pass(1);
    expect(bob.texts).toEqual(["lost"]);
  });

  test("of another list under the same name is not mixed with this one", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    await written(ada, 5);
    bob.drop();
    server.rows = [];
    server.change = 0;
    ada.drop();
    ada.chat.post("new");
    ada.back();
    await server.settle();
    bob.back();
    await server.settle();
    expect([ada.texts, bob.texts]).toEqual([["new"], ["new"]]);
  });

  test("what the server sends broken is told, and the rest goes on", async () => {
    const [ada] = (await people("ada")) as [Person];
    ada.emit("chat", { type: "chatChange", change: "{" });
    ada.emit("chat", { type: "chatChange", change: '{"message":{"seq":"1"}}' });
    ada.emit("chat", { type: "chatAnswer", call: 99, answer: "{" });
    expect(server.errors).toHaveLength(2);
    ada.chat.post("still here");
    await server.settle();
    expect(states(ada)).toEqual(["sent"]);
  });

  test("a chat that cannot be opened says why, and opens when it can", async () => {
    server.refuse = () => ({ code: "forbidden", hint: "no chat for you" });
    const [ada] = (await people("ada")) as [Person];
    expect(ada.chat.error).toMatchObject({ code: "forbidden", hint: "no chat for you" });
    server.refuse = () => null;
    await server.pass(SILENCE_MS_MAX);
    expect([ada.chat.error, ada.chat.status]).toEqual([null, "live"]);
  });
});

describe("older messages", () => {
  test("come in pages, until there are none", async () => {
    const [ada] = (await people("ada")) as [Person];
    await written(ada, 120);
    const bob = server.enter("bob");
    await server.settle();
    expect(bob.chat.messages).toHaveLength(50);
    expect(bob.texts[0]).toBe("71");
    const pages: boolean[] = [];
    while (bob.chat.hasOlder) {
      const page = bob.chat.loadOlder();
      expect(bob.chat.loadOlder()).toBe(page);
      await server.settle();
      pages.push(await page);
    }
    expect(pages).toEqual([true, false]);
    expect(bob.texts).toEqual(Array.from({ length: 120 }, (_, i) => `${i + 1}`));
    expect(await bob.chat.loadOlder()).toBe(false);
  });

  test("that change before they are loaded do not jump into the list", async () => {
    const [ada] = (await people("ada")) as [Person];
    await written(ada, 60);
    const bob = server.enter("bob");
    await server.settle();
    void ada.chat.edit(3, "three");
    await server.settle();
    expect(bob.texts[0]).toBe("11");
    void bob.chat.loadOlder();
    await server.settle();
    expect(bob.texts.slice(0, 4)).toEqual(["1", "2", "three", "4"]);
  });
});

describe("a thread", () => {
  test("has its replies, also those before the list, and those on their way", async () => {
    const [ada] = (await people("ada")) as [Person];
    ada.chat.post("question");
    await server.settle();
    ada.chat.post("early", { thread: 1 });
    await written(ada, 60);
    const bob = server.enter("bob", { pageCount: 20 });
    await server.settle();
    expect(bob.chat.replies(1)).toEqual([]);
    const loaded = bob.chat.loadReplies(1);
    await server.settle();
    await loaded;
    const replies = bob.chat.replies(1);
    expect(replies.map(({ text }) => text)).toEqual(["early"]);
    expect(bob.chat.replies(1)).toBe(replies);
    expect(bob.chat.messages).toHaveLength(20);
    bob.chat.post("late", { thread: 1 });
    expect(bob.chat.replies(1).map(({ state }) => state)).toEqual(["sent", "sending"]);
    await server.settle();
    expect(bob.chat.replies(1).map(({ text }) => text)).toEqual(["early", "late"]);
    expect(bob.chat.replies(1)[0]).toBe(replies[0]);
  });
});

describe("what is read", () => {
  test("counts others' messages, also those that are not loaded, on all devices of a user", async () => {
    const [ada] = (await people("ada")) as [Person];
    await written(ada, 70);
    const [bob, phone] = (await people("bob", "bob")) as [Person, Person];
    expect([ada.chat.unreadCount, bob.chat.unreadCount]).toEqual([0, 70]);
    bob.chat.post("mine");
    void ada.chat.remove(70);
    await server.settle();
    expect(bob.chat.unreadCount).toBe(69);
    bob.chat.markRead(60);
    expect(bob.chat.unreadCount).toBe(9);
    await server.settle();
    expect(phone.chat.unreadCount).toBe(9);
    // It never goes back.
    bob.chat.markRead(3);
    expect(bob.chat.readSeq).toBe(60);
    bob.chat.markRead();
    expect(bob.chat.unreadCount).toBe(0);
    await server.pass(READ_EVERY_MS);
    expect(server.reads.get("bob")).toBe(71);
    expect(phone.chat.unreadCount).toBe(0);
  });

  test("is told seldom, and after a drop", async () => {
    const [ada, bob] = (await people("ada", "bob")) as [Person, Person];
    await written(ada, 20);
    for (let seq = 1; seq <= 20; seq += 1) bob.chat.markRead(seq);
    expect(bob.requests).toEqual([{ read: { seq: 1 } }]);
    bob.drop();
    await server.pass(READ_EVERY_MS);
    bob.back();
    await server.settle();
    expect(server.reads.get("bob")).toBe(20);
  });

  test("is a matter of the page for people without a token", async () => {
    const [ada, nobody] = (await people("ada", null)) as [Person, Person];
    await written(ada, 2);
    nobody.chat.markRead();
    await server.settle();
    expect(nobody.chat.unreadCount).toBe(0);
    expect(server.errors).toEqual([]);
  });
});

describe("the end", () => {
  test("leaves no timer and no listener, and rejects what is under way", async () => {
    const [ada] = (await people("ada")) as [Person];
    const under = [ada.chat.edit(1, "x"), ada.chat.remove(1)].map((each) =>
      each.catch(({ code }: ChatError) => code),
    );
    ada.chat.typing();
    ada.chat.destroy();
    expect(await Promise.all(under)).toEqual(["ended", "ended"]);
    expect(server.clock.timers.size).toBe(0);
    expect(ada.listenersCount).toBe(0);
    expect(ada.requests.at(-1)).toEqual({ close: {} });
    expect(() => ada.chat.post("x")).toThrow(expect.objectContaining({ code: "ended" }));
    await expect(ada.chat.remove(1)).rejects.toMatchObject({ code: "ended" });
  });

  test("of one of two chats of a room leaves the other one what the server sends", async () => {
    const [ada] = (await people("ada")) as [Person];
    const second = chat(ada, { environment: { setTimeout: server.clock.setTimeout } });
    await server.settle();
    second.destroy();
    expect(ada.requests).toEqual([]);
    ada.chat.destroy();
    expect(ada.requests).toEqual([{ close: {} }]);
  });

  test("comes with the room's", async () => {
    const [ada] = (await people("ada")) as [Person];
    ada.emit("destroy");
    expect(() => ada.chat.post("x")).toThrow();
  });
});

test("what listeners throw is told, and breaks nothing", async () => {
  const [ada] = (await people("ada")) as [Person];
  let called = 0;
  ada.chat.subscribe(() => {
    throw new Error("mine");
  });
  const unsubscribe = ada.chat.subscribe(() => {
    called += 1;
  });
  ada.chat.post("one");
  await server.settle();
  expect(called).toBeGreaterThan(1);
  expect(server.errors.length).toBe(called);
  unsubscribe();
  const before = called;
  ada.chat.post("two");
  expect(called).toBe(before);
});

test("a room is a host, over the wire", async () => {
  const world = new World();
  const room = world.room();
  const { clock } = world;
  const here = chat(room, { environment: { ...clock, now: () => clock.nowMs } });
  const socket = await world.open();
  const opened = socket.take().find((message) => message.type === "chatCall");
  expect(opened).toMatchObject({ channel: 1, request: '{"open":{"last":50}}' });
  const message = { seq: 1, change: 1, key: "k", text: "hi", createdMs: 5 };
  const answer = JSON.stringify({ messages: [message], change: 1, count: 1, read: 0 });
  const call = opened?.type === "chatCall" ? opened.call : 0;
  socket.say({ channel: 1, type: "chatAnswer", call, answer });
  await settled();
  expect(here.messages).toMatchObject([{ text: "hi", user: null, createdMs: 5 }]);
  room.destroy();
  expect(() => here.post("x")).toThrow(ChatError);
});
