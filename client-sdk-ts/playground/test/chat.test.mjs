// The chat in a real browser against a real server: what is said, answered, changed and read, by mouse, keyboard and finger.

import assert from "node:assert/strict";
import {
  DESKTOP,
  fits,
  newRoom,
  PHONE,
  picture,
  SCREENSHOTS,
  server,
  together,
  until,
  Visitor,
  visit,
} from "./visitor.mjs";

const MARKUP = '<img src=x onerror="alert(1)">';

async function open(visitor) {
  await visitor.get("chat-button").click();
  await visitor.get("chat-field").waitFor();
}

async function say(visitor, text) {
  await visitor.get("chat-field").fill(text);
  await visitor.page.keyboard.press("Enter");
}

/** The message with this text, once it is on the server's disk. */
function message(visitor, text) {
  return visitor.page
    .locator('[data-testid="message"][data-state="sent"]')
    .filter({ hasText: text });
}

async function press(visitor, text, label) {
  const row = message(visitor, text);
  await row.hover();
  await row.getByRole("button", { name: label }).click();
}

function texts(visitor) {
  return visitor.page.locator(".message-text").allTextContents();
}

function badge(visitor) {
  return visitor.get("chat-button").getAttribute("aria-label");
}

visit("what one says the other reads, with the name, and what is unread is counted", async () => {
  const [ada, grace] = await together(newRoom(), "Ada", "Grace");
  await open(ada);
  await say(ada, "Good morning");
  await say(ada, MARKUP);
  await until("two are unread", async () => (await badge(grace)) === "Chat, 2 unread");
  await open(grace);
  await message(grace, "Good morning").getByText("Ada", { exact: true }).waitFor();
  await grace.sees("chat-log", "New");
  assert.deepEqual(await texts(grace), ["Good morning", MARKUP]);
  await until("nothing is unread", async () => (await badge(grace)) === "Chat");
  // How far somebody has read is the server's to know: it is the same after a reload.
  await until("a reload finds nothing unread", async () => {
    await grace.page.reload();
    await grace.connected();
    await open(grace);
    const { length } = await texts(grace);
    return length === 2 && !(await grace.get("chat-log").textContent()).includes("New");
  });
  assert.equal(await badge(ada), "Chat");
});

visit("who is typing is seen, until the message is there", async () => {
  const [ada, grace] = await together(newRoom(), "Ada", "Grace");
  await open(ada);
  await open(grace);
  await ada.get("chat-field").focus();
  await ada.page.keyboard.type("one mom");
  await grace.sees("chat-typing", "Ada is typing…");
  await ada.page.keyboard.press("Enter");
  await message(grace, "one mom").waitFor();
  await until("nobody types", async () => (await grace.get("chat-typing").textContent()) === "");
});

visit("a thread has its own list, its own draft, and its number of replies", async () => {
  const [ada, grace] = await together(newRoom(), "Ada", "Grace");
  await open(ada);
  await open(grace);
  await say(ada, "Which pier?");
  await message(grace, "Which pier?").waitFor();
  await grace.get("chat-field").fill("kept for later");
  await press(grace, "Which pier?", "Reply");
  await grace.get("chat-back").waitFor();
  assert.equal(await grace.get("chat-field").inputValue(), "");
  await say(grace, "The east one");
  await ada.sees("replies", "1 reply");
  assert.deepEqual(await texts(ada), ["Which pier?"]);
  await ada.get("replies").click();
  await message(ada, "The east one").waitFor();
  await say(ada, "At nine");
  await message(grace, "At nine").waitFor();
  assert.deepEqual(await texts(grace), ["Which pier?", "The east one", "At nine"]);
  await grace.get("chat-back").click();
  await grace.sees("replies", "2 replies");
  assert.equal(await grace.get("chat-field").inputValue(), "kept for later");
});

visit("reactions come and go, and say whose they are", async () => {
  const [ada, grace] = await together(newRoom(), "Ada", "Grace");
  await open(ada);
  await open(grace);
  await say(ada, "It is done");
  await press(grace, "It is done", "React with 👍");
  const chip = (visitor) => visitor.page.locator(".reaction");
  await chip(ada).waitFor();
  assert.equal(await chip(ada).getAttribute("title"), "Grace");
  assert.equal(await chip(ada).getAttribute("aria-pressed"), "false");
  await chip(ada).click();
  await until("both are counted", async () => /2$/.test((await chip(grace).textContent()) ?? ""));
  await chip(grace).click();
  await until("one is left", async () => /1$/.test((await chip(ada).textContent()) ?? ""));
  await press(ada, "It is done", "More reactions");
  await message(ada, "It is done").getByRole("button", { name: "React with 🎉" }).click();
  await until("there are two kinds", async () => (await chip(grace).count()) === 2);
});

visit("one's own messages can be changed and deleted, others' cannot", async () => {
  const [ada, grace] = await together(newRoom(), "Ada", "Grace");
  await open(ada);
  await open(grace);
  await say(ada, "at ten");
  await message(grace, "at ten").hover();
  assert.equal(await grace.page.getByRole("button", { name: "Edit" }).count(), 0);
  // The key "up" in an empty field changes what one said last.
  await message(ada, "at ten").waitFor();
  await ada.get("chat-field").press("ArrowUp");
  assert.equal(await ada.get("chat-field").inputValue(), "at ten");
  await say(ada, "at nine");
  await message(grace, "at nine").getByText("edited").waitFor();
  await ada.get("chat-field").press("ArrowUp");
  await ada.get("chat-field").press("Escape");
  assert.equal(await ada.get("chat-field").inputValue(), "");
  await press(ada, "at nine", "Delete");
  await press(ada, "at nine", "Press again to delete");
  await message(grace, "This message was deleted").waitFor();
  assert.deepEqual(await texts(grace), ["This message was deleted"]);
});

visit("what is said without a connection is sent on return, once", async () => {
  const [ada, grace] = await together(newRoom(), "Ada", "Grace");
  await open(ada);
  await open(grace);
  await ada.switchOff();
  await say(ada, "from the train");
  await ada.page.locator('[data-testid="message"][data-state="sending"]').waitFor();
  await ada.get("chat").getByText("sent when you are back").waitFor();
  await ada.switchOn();
  await message(grace, "from the train").waitFor();
  await message(ada, "from the train").waitFor();
  assert.deepEqual(await texts(grace), ["from the train"]);
});

visit("a long history comes page by page, and what one reads stays where it is", async () => {
  const room = newRoom();
  for (let n = 1; n <= 70; n += 1) {
    // Each guest has a pace of their own.
    const token = JSON.stringify({ guest: `guest-${n % 14}`, name: `Guest ${n % 14}` });
    const answer = await fetch(`${server.url}/v1/rooms/${encodeURIComponent(room)}/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ key: `k-${n}`, text: `line ${n}.` }),
    });
    assert.ok(answer.ok, `${answer.status}: ${await answer.text()}`);
  }
  const [ada] = await together(room, "Ada");
  await open(ada);
  await message(ada, "line 70.").waitFor();
  assert.equal((await texts(ada)).length, 50);
  const log = ada.get("chat-log");
  await log.evaluate((element) => element.scrollTo(0, 0));
  const top = () => message(ada, "line 21.").evaluate((row) => row.getBoundingClientRect().top);
  const before = await top();
  await ada.get("older").click();
  await message(ada, "line 1.").waitFor({ state: "attached" });
  assert.equal((await texts(ada)).length, 70);
  assert.ok(Math.abs((await top()) - before) < 48, `it moved from ${before} to ${await top()}`);
  assert.ok(!(await ada.get("older").isVisible()));
  // One's own message is seen, wherever one was.
  await say(ada, "the end");
  await message(ada, "the end").waitFor();
  const leftPx = await log.evaluate(
    (element) => element.scrollHeight - element.scrollTop - element.clientHeight,
  );
  assert.ok(leftPx <= 48, `${leftPx} px from the end`);
});

visit("a phone: the chat fills the page, and fingers do everything", async () => {
  const room = newRoom();
  const [ada] = await together(room, "Ada");
  await open(ada);
  await say(ada, "Can you hear me?");
  const linus = await Visitor.create(PHONE);
  await linus.join(room, "Linus");
  await linus.get("chat-button").tap();
  await message(linus, "Can you hear me?").waitFor();
  await fits(linus.page);
  await message(linus, "Can you hear me?").tap();
  await message(linus, "Can you hear me?").getByRole("button", { name: "React with 👍" }).tap();
  await linus.page.locator(".reaction").waitFor();
  await fits(linus.page);
  await linus.get("chat-field").tap();
  await say(linus, "Loud and clear");
  await message(ada, "Loud and clear").waitFor();
  await linus.page.getByRole("button", { name: "Close the chat" }).tap();
  await until("it is closed", async () => !(await linus.get("chat").isVisible()));
});

async function pictures() {
  const room = "harbour-walk";
  const ada = await Visitor.create();
  const grace = await Visitor.create({ ...DESKTOP, colorScheme: "dark" });
  const linus = await Visitor.create(PHONE);
  const mary = await Visitor.create({ ...PHONE, colorScheme: "dark" });
  await ada.join(room, "Ada Lovelace");
  await grace.join(room, "Grace Hopper");
  await linus.join(room, "Linus");
  await mary.join(room, "Mary Jackson");
  for (const visitor of [ada, grace, linus, mary]) await open(visitor);
  await ada.get("editor").focus();
  await ada.page.keyboard.press("Control+Alt+1");
  await ada.page.keyboard.insertText("Minutes of the harbour walk");
  await ada.page.keyboard.press("Enter");
  await ada.page.keyboard.insertText(
    "We met at the east pier at nine. The wind had turned in the night and the water was flat, so every sound carried.",
  );
  await say(ada, "Is the fish hall on the list for next week?");
  await message(grace, "fish hall").waitFor();
  await say(grace, "Yes, two minutes with the doors shut.");
  await message(linus, "doors shut").waitFor();
  await say(linus, "I bring the long cable @Ada Lovelace");
  await message(ada, "long cable").waitFor();
  await press(ada, "long cable", "React with ❤️");
  await press(grace, "long cable", "React with ❤️");
  await press(ada, "fish hall", "Reply");
  await say(ada, "And the boat sheds, if the tide allows");
  await message(ada, "boat sheds").waitFor();
  await ada.get("chat-back").click();
  await mary.get("chat-field").focus();
  await mary.page.keyboard.type("The ferry leaves at");
  await ada.sees("chat-typing", "Mary Jackson is typing…");
  await ada.sees("replies", "1 reply");
  await picture(ada, "chat-light");
  await picture(grace, "chat-dark");
  await picture(linus, "chat-phone-light");
  await picture(mary, "chat-phone-dark");
}

visit("pictures of the chat", pictures, { skip: SCREENSHOTS === undefined });
