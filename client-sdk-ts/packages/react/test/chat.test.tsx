// The chat in components: what is shown, what is said to screen readers, and how often it renders.

import { act, fireEvent, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ChatServer, Person } from "../../core/test/chat/server.js";
import { settled } from "../../core/test/fakes.js";
import { Chat, useChat, useTyping } from "../src/index.js";
import { counted, Stage } from "./stage.js";

/** A stage whose server has a chat. */
class ChatStage extends Stage {
  readonly chats = new ChatServer();
  /** This page, as the chat's server sees it. */
  readonly me = new Person(this.chats, null);
  /** Somebody else. */
  readonly ada = new Person(this.chats, "ada");

  constructor(options = {}) {
    super(options);
    this.chats.people.push(this.me);
    let name = 0;
    this.world.random = () => {
      name += 1;
      return (name % 64) / 256;
    };
    this.server.onChat = (socket, { channel, call, request }) => {
      const answer = JSON.stringify(this.chats.answer(this.me, request));
      socket.say({ channel, type: "chatAnswer", call, answer });
    };
  }

  /** What is under way arrives, on both sides. */
  async talk(): Promise<void> {
    await act(async () => {
      for (let turn = 0; turn < 4; turn += 1) {
        this.server.read();
        for (const change of this.me.changes.splice(0)) {
          this.world.socket.say({ channel: 1, type: "chatChange", change });
        }
        await settled();
      }
    });
  }

  /** Somebody else writes. */
  post(text: string, more: object = {}): void {
    const key = `ada-${this.chats.rows.length}`;
    this.chats.answer(this.ada, JSON.stringify({ post: { key, text, ...more } }));
  }
}

let stage: ChatStage;
beforeEach(() => {
  stage = new ChatStage({ strict: true });
});
afterEach(() => {
  expect(stage.world.errors).toEqual([]);
});

const texts = () =>
  screen.getAllByRole("listitem").map((item) => item.querySelector("div")?.textContent);
const field = () => screen.getByRole("textbox", { name: "Message" });
const write = (text: string) => fireEvent.change(field(), { target: { value: text } });
const press = (key: string, more: object = {}) => fireEvent.keyDown(field(), { key, ...more });

/** The chat is shown, and open. */
async function shown(props: Parameters<typeof Chat>[0] = {}): Promise<void> {
  stage.show(<Chat {...props} />);
  await stage.join();
  await stage.talk();
}

test("what others write is shown as text, in a log with a name", async () => {
  stage.post("hello");
  await shown({ className: "chat" });
  stage.post("<img src=x onerror=alert(1)>");
  await stage.talk();
  const log = within(screen.getByRole("region", { name: "Chat" })).getByRole("log", {
    name: "Messages",
  });
  expect(log.getAttribute("aria-live")).toBe("polite");
  expect(texts()).toEqual(["hello", "<img src=x onerror=alert(1)>"]);
  expect(document.querySelector("img")).toBeNull();
  expect(screen.getAllByText("ADA")).toHaveLength(2);
});

test("a name or a time that is none breaks nothing", async () => {
  stage.post("hello");
  Object.assign(stage.chats.rows[0] ?? {}, { name: "\u202E", createdMs: Number.MAX_SAFE_INTEGER });
  await shown();
  expect(screen.getByText("Someone")).toBeTruthy();
});

test("what is written is shown at once and sent once", async () => {
  await shown({ messageClassName: "message" });
  write("one");
  press("Enter");
  expect(texts()).toEqual(["one"]);
  const item = document.querySelector(".message");
  expect(item?.getAttribute("data-state")).toBe("sending");
  expect((field() as HTMLTextAreaElement).value).toBe("");
  await stage.talk();
  expect(document.querySelector(".message")).toBe(item);
  expect(item?.getAttribute("data-state")).toBe("sent");
  expect(stage.chats.rows.map(({ text }) => text)).toEqual(["one"]);
});

test("a line of its own, a word that is being composed and nothing at all are not sent", async () => {
  await shown();
  const send = screen.getByRole("button", { name: "Send" });
  expect(send).toHaveProperty("disabled", true);
  write("one");
  press("Enter", { shiftKey: true });
  press("Enter", { isComposing: true });
  expect(screen.queryAllByRole("listitem")).toEqual([]);
  fireEvent.click(send);
  expect(texts()).toEqual(["one"]);
});

test("what cannot be sent stays in the field, and says why", async () => {
  await shown();
  write("x".repeat(5_000));
  press("Enter");
  expect(screen.getByRole("alert").textContent).toContain("4096");
  expect((field() as HTMLTextAreaElement).value).toHaveLength(5_000);
});

test("a message that the server refuses says why, and can be tried again or discarded", async () => {
  await shown();
  stage.chats.refuse = ({ post }) => (post ? { code: "forbidden", hint: "only read" } : null);
  write("one");
  press("Enter");
  await stage.talk();
  expect(screen.getByRole("alert").textContent).toContain("Not sent: only read");
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  await stage.talk();
  fireEvent.click(screen.getByRole("button", { name: "Discard" }));
  expect(screen.queryAllByRole("listitem")).toEqual([]);
});

test("older messages come on demand, and are not read out", async () => {
  for (let i = 1; i <= 60; i += 1) stage.post(`${i}`);
  await shown();
  expect(texts()).toHaveLength(50);
  fireEvent.click(screen.getByRole("button", { name: "Older messages" }));
  expect(screen.getByRole("log").getAttribute("aria-live")).toBe("off");
  await stage.talk();
  expect(texts()).toHaveLength(60);
  expect(texts()[0]).toBe("1");
  expect(screen.queryByRole("button", { name: "Older messages" })).toBeNull();
  expect(screen.getByRole("log").getAttribute("aria-live")).toBe("polite");
});

test("a thread shows its replies alone, and posts there", async () => {
  stage.post("question");
  stage.post("answer", { thread: 1 });
  const seen: number[] = [];
  await shown({ onThread: (seq) => seen.push(seq) });
  expect(texts()).toEqual(["question"]);
  fireEvent.click(screen.getByRole("button", { name: "Replies: 1" }));
  expect(seen).toEqual([1]);
  stage.show(<Chat thread={1} />);
  await stage.talk();
  expect(texts()).toEqual(["answer"]);
  write("mine");
  press("Enter");
  await stage.talk();
  expect(texts()).toEqual(["answer", "mine"]);
  expect(stage.chats.rows.at(-1)?.thread).toBe(1);
});

test("a reply from before the list is shown when it changes", async () => {
  stage.post("question");
  stage.post("early", { thread: 1 });
  for (let i = 1; i <= 60; i += 1) stage.post(`${i}`);
  await shown({ thread: 1 });
  expect(texts()).toEqual(["early"]);
  stage.chats.answer(stage.ada, JSON.stringify({ edit: { seq: 2, text: "changed" } }));
  await stage.talk();
  expect(texts()).toEqual(["changed"]);
});

test("deleted messages and reactions are said in words and buttons", async () => {
  stage.post("one");
  stage.post("two");
  stage.chats.answer(stage.ada, JSON.stringify({ react: { seq: 1, emoji: "👍", on: true } }));
  stage.chats.answer(stage.ada, JSON.stringify({ delete: { seq: 2 } }));
  await shown();
  expect(texts()).toEqual(["one", "This message was deleted"]);
  const reaction = screen.getByRole("button", { name: "👍 1" });
  expect(reaction.getAttribute("aria-pressed")).toBe("false");
});

test("who types is shown, and what is typed here is told", async () => {
  await shown();
  await stage.meet(7, { user: { id: "ada", name: "Ada" }, typing: { count: 1, thread: null } });
  expect(screen.getByText("Ada is typing…")).toBeTruthy();
  await stage.meet(7, { user: { id: "ada", name: "Ada" }, typing: { count: 1, thread: 3 } });
  await stage.meet(8, { name: "Bob", typing: { count: 1 } });
  expect(screen.getByText("Ada and Bob are typing…")).toBeTruthy();
  write("o");
  expect(stage.room.awareness.getLocalState()).toMatchObject({ typing: { thread: null } });
  write("");
  expect(stage.room.awareness.getLocalState()).toMatchObject({ typing: null });
});

test("what is seen is read", async () => {
  stage.post("one");
  const { Counted, seen } = counted(() => useChat(({ unreadCount }) => unreadCount));
  stage.show(<Counted />);
  await stage.join();
  await stage.talk();
  expect(seen.at(-1)).toBe(1);
  stage.show([<Counted key="1" />, <Chat key="2" />]);
  await stage.talk();
  expect(seen.at(-1)).toBe(0);
});

test("a selection renders when it changes, and all components share one chat", async () => {
  stage = new ChatStage();
  const badge = counted(() => useChat(({ messages }) => messages.length > 2));
  const typing = counted(() => useTyping()[0]);
  const chats = counted(() => useChat(({ chat }) => chat));
  stage.show([<badge.Counted key="1" />, <typing.Counted key="2" />, <chats.Counted key="3" />]);
  await stage.join();
  await stage.talk();
  for (const text of ["1", "2", "3", "4"]) {
    stage.post(text);
    await stage.talk();
  }
  expect(badge.seen).toEqual([false, true]);
  expect(typing.seen).toHaveLength(1);
  expect(chats.seen).toHaveLength(1);
});

test("nothing is asked before something is mounted that shows it", async () => {
  stage.show(<p>nothing</p>);
  await stage.join();
  await stage.talk();
  expect(stage.me.isOpen).toBe(false);
  stage.show(<Chat />);
  await stage.talk();
  expect(stage.me.isOpen).toBe(true);
});
