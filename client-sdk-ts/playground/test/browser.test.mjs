// The page in a real browser against a real server: two people, an outage, a phone, and what a policy forbids.

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

visit(
  "what one types, the other sees: text, caret, and who is where; both are told it is saved",
  async () => {
    const room = newRoom();
    const [ada, grace] = await together(room, "Ada", "Grace");

    await ada.type("editor", "Good morning");
    await grace.sees("editor", "Good morning");
    await grace.sees("caret", "Ada");
    await grace.sees("people", "Ada");
    await ada.sees("people", "Grace");
    await ada.saved();
    await grace.saved();

    await grace.get("tab-code").click();
    await grace.type("code", "const tide = 2;");
    await ada.sees("people", "Code");
    await ada.get("tab-code").click();
    await ada.sees("code", "const tide = 2;");
    await until("Ada sees Grace's caret in the code", async () =>
      (await ada.page.locator(".cm-ySelectionInfo").allTextContents()).includes("Grace"),
    );
    await grace.saved();

    await grace.page.close();
    await until(
      "Grace is gone",
      async () => !(await ada.get("people").textContent()).includes("Grace"),
    );
  },
);

visit("undo takes back one's own changes only, in both editors", async () => {
  const room = newRoom();
  const [ada, grace] = await together(room, "Ada", "Grace");
  for (const place of ["document", "code"]) {
    const id = place === "document" ? "editor" : "code";
    await ada.get(`tab-${place}`).click();
    await grace.get(`tab-${place}`).click();
    await ada.type(id, "mine ");
    await grace.sees(id, "mine");
    await grace.type(id, "theirs");
    await ada.sees(id, "theirs");
    await ada.get(id).focus();
    await ada.page.keyboard.press("Control+z");
    await until("only Ada's words are gone", async () => {
      const text = await grace.get(id).textContent();
      return text.includes("theirs") && !text.includes("mine");
    });
    await ada.page.keyboard.press("Control+y");
    await grace.sees(id, "mine");
  }
});

visit(
  "the server dies: work goes on, is shown as unsaved, and is saved after its return",
  async () => {
    const room = newRoom();
    const [ada, grace] = await together(room, "Ada", "Grace");
    await ada.type("editor", "Before.");
    await grace.sees("editor", "Before.");
    await ada.saved();

    for (const visitor of [ada, grace]) visitor.outage = true;
    await server.kill();
    await ada.state("connection", "reconnecting");
    await grace.state("connection", "reconnecting");
    await ada.type("editor", " Ada while away.");
    await grace.type("editor", " Grace while away.");
    await ada.state("saved", "offline");
    await grace.state("saved", "offline");
    await ada.sees("saved", "kept on this device");
    assert.ok(Number(await ada.get("saved").getAttribute("data-unsaved")) > 0);
    assert.ok(!(await asksBeforeLeaving(ada.page)), "what is kept on this device is not lost");
    assert.ok(
      !(await ada.get("people").textContent()).includes("Grace"),
      "nobody is known to be here",
    );

    await server.start();
    for (const visitor of [ada, grace]) {
      await visitor.connected();
      await visitor.sees("editor", "Ada while away.");
      await visitor.sees("editor", "Grace while away.");
      await visitor.saved();
      visitor.outage = false;
    }
    assert.equal(await ada.words(), await grace.words());
    assert.ok(!(await asksBeforeLeaving(ada.page)), "with all saved, leaving is free");
    await ada.sees("people", "Grace");

    // What was shown as saved is there for somebody who comes later.
    for (const visitor of [ada, grace]) visitor.outage = true;
    await server.kill();
    await server.start();
    const late = await Visitor.create();
    await late.join(room, "Late");
    await late.sees("editor", "Before.");
    await late.sees("editor", "Ada while away.");
    await late.sees("editor", "Grace while away.");
  },
);

visit(
  "what is written offline outlives the tab, and reaches the server with the next one",
  async () => {
    const room = newRoom();
    const [ada, grace] = await together(room, "Ada", "Grace");
    await ada.type("editor", "Before.");
    await grace.sees("editor", "Before.");
    await ada.saved();
    await ada.switchOff();
    await ada.type("editor", " From a train.");
    await grace.type("editor", " From the pier.");
    await ada.sees("saved", "kept on this device");
    await grace.saved();
    // Another tab of the same browser has it without a server.
    const beside = await ada.tab();
    await beside.join(room, "Ada");
    await beside.sees("editor", "From a train.");
    await beside.saved();
    await grace.sees("editor", "From a train.");
    await beside.page.close();

    await ada.type("editor", " From a tunnel.");
    await ada.sees("saved", "kept on this device");
    await ada.page.close();
    await ada.open();
    await ada.join(room, "Ada");
    await ada.sees("editor", "From a tunnel.");
    await ada.saved();
    for (const words of ["Before.", "From a train.", "From the pier.", "From a tunnel."]) {
      await grace.sees("editor", words);
    }
    await until("both see the same", async () => (await ada.words()) === (await grace.words()));
    // Nothing is there twice.
    assert.equal((await grace.words()).split("From a train.").length, 2);
    assert.equal((await grace.words()).split("From a tunnel.").length, 2);
  },
);

visit("who comes with a token leaves nothing on the device", async () => {
  const room = newRoom();
  const ada = await Visitor.create();
  await ada.page.goto(`${server.url}/?room=${room}&name=Ada&token=some.foreign.token`);
  await ada.connected();
  await ada.type("editor", "For whoever has the token.");
  await ada.saved();
  await ada.switchOff();
  await ada.type("editor", " More.");
  await ada.sees("saved", "kept in this tab");
  assert.ok(await asksBeforeLeaving(ada.page), "leaving with unsaved work asks first");
  const databases = await ada.page.evaluate(async () => (await indexedDB.databases()).length);
  assert.equal(databases, 0);
});

visit("the devtools show what the connection says, and go again", async () => {
  const room = newRoom();
  const ada = await Visitor.create();
  await ada.join(room, "Ada");
  await ada.get("devtools-button").click();
  const panel = ada.page.locator("roomtone-devtools");
  await panel.getByRole("tab", { name: "Messages" }).click();
  await ada.type("editor", "hello");
  await ada.saved();
  await panel.getByRole("row", { name: /saved/ }).first().waitFor();
  if (SCREENSHOTS !== undefined) await picture(ada, "devtools");
  await panel.getByRole("tab", { name: "Document" }).click();
  await panel.getByText("document", { exact: false }).first().waitFor();
  assert.ok(!(await panel.textContent()).includes("guest"), "what stands for a token is not shown");
  await panel.getByRole("button", { name: /close/i }).click();
  await until("it is gone", async () => (await panel.count()) === 0);
});

visit("a name that is markup is shown as it is", async () => {
  const room = newRoom();
  const mallory = await Visitor.create();
  const ada = await Visitor.create();
  await mallory.join(room, MARKUP);
  await ada.join(room, "Ada");
  await mallory.type("editor", "hello");
  await ada.sees("people", MARKUP);
  await ada.sees("caret", MARKUP);
  await mallory.get("tab-code").click();
  await mallory.type("code", "hello");
  await ada.get("tab-code").click();
  await until("the name at the caret in the code", async () =>
    (await ada.page.locator(".cm-ySelectionInfo").allTextContents()).includes(MARKUP),
  );
  for (const { page } of [ada, mallory])
    assert.equal(await page.locator('img[src="x"]').count(), 0);
});

visit("what awareness carries is cleaned: a style in a colour, a name without end", async () => {
  const room = newRoom();
  const ada = await Visitor.create();
  await ada.join(room, "Ada");
  const mallory = await Visitor.create();
  await mallory.page.addInitScript(() => {
    const stringify = JSON.stringify;
    JSON.stringify = (value, ...rest) => {
      if (value?.user) {
        const user = {
          name: "M".repeat(5_000),
          color: "red;position:fixed;inset:0",
          colorLight: "x",
        };
        return stringify({ ...value, user }, ...rest);
      }
      return stringify(value, ...rest);
    };
  });
  // Of a guest the server says the name itself; of whoever shows something else it knows none.
  await mallory.page.goto(`${server.url}/?room=${room}&name=Mallory&token=none`);
  await mallory.connected();
  await mallory.type("editor", "hello");
  await ada.sees("caret", "M".repeat(40));
  await mallory.get("tab-code").click();
  await mallory.type("code", "hello");
  await ada.get("tab-code").click();
  await until("a caret in the code", () => ada.page.locator(".cm-ySelectionCaret").count());
  assert.equal(await ada.page.locator('[style*="fixed"]').count(), 0);
  assert.ok(!(await ada.page.content()).includes("M".repeat(41)));
});

visit("a phone: nothing sticks out, and everything can be hit", async () => {
  for (const width of [390, 360]) {
    const visitor = await Visitor.create({ ...PHONE, viewport: { width, height: 740 } });
    await visitor.page.goto(server.url);
    await visitor.get("join-button").waitFor();
    await fits(visitor.page);
    await visitor.join(newRoom(), "A rather long name for somebody");
    await visitor.type("editor", "word ".repeat(30) + "x".repeat(200));
    await fits(visitor.page);
    await visitor.get("people-button").tap();
    await visitor.get("people").waitFor();
    await fits(visitor.page);
    await visitor.page.keyboard.press("Escape");
    await visitor.get("tab-code").tap();
    await visitor.type("code", "y".repeat(200));
    await fits(visitor.page);
    await visitor.saved();
  }
});

visit(
  "a link opens the room, a reload returns to it, and the link to share carries no token",
  async () => {
    const room = `Räume & "more" ${newRoom()}`;
    const ada = await Visitor.create();
    await ada.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await ada.page.goto(`${server.url}/?room=${encodeURIComponent(room)}&token=secret`);
    assert.equal(await ada.get("join-room").inputValue(), room);
    await ada.get("join-name").fill("Ada");
    await ada.get("join-button").click();
    await ada.connected();
    assert.equal(await ada.page.getByRole("heading", { level: 1 }).first().textContent(), room);
    await ada.type("editor", "kept");
    await ada.saved();
    await ada.page.reload();
    await ada.connected();
    await ada.sees("editor", "kept");

    await ada.page.getByRole("button", { name: "Copy link" }).click();
    await ada.page.getByRole("button", { name: "Copied" }).waitFor();
    const link = await ada.page.evaluate(() => navigator.clipboard.readText());
    assert.equal(new URL(link).searchParams.get("room"), room);
    assert.ok(!link.includes("secret"));

    const grace = await Visitor.create();
    await grace.page.goto(`${link}#name=Grace`);
    await grace.connected();
    await grace.sees("editor", "kept");
    await grace.sees("people", "Grace");
  },
);

visit("a refusal says what it is, and is not asked again", async () => {
  const ada = await Visitor.create();
  let attempts = 0;
  await ada.page.routeWebSocket(/\/v1\/connect$/, (socket) => {
    attempts += 1;
    socket.close({ code: 4403, reason: "not your room" });
  });
  await ada.page.goto(`${server.url}/?room=${newRoom()}&name=Ada&token=wrong`);
  await ada.state("connection", "refused");
  await ada.sees("notice", "You are not admitted");
  await ada.sees("notice", "not your room");
  assert.equal(attempts, 1);
  await ada.page.getByRole("button", { name: "Try again" }).click();
  await until("it was asked again", () => attempts === 2);
  await ada.state("connection", "refused");
  await ada.page.getByRole("button", { name: "Back to the start" }).click();
  await ada.get("join-button").waitFor();
});

visit(
  "a reader whose change is refused is told so, and cannot go on writing into the void",
  async () => {
    const ada = await Visitor.create();
    // Refused, on the first channel (docs/PROTOCOL.md).
    const denied = Buffer.from([1, 37, 5, 4, ...Buffer.from("read")]);
    await ada.page.routeWebSocket(/\/v1\/connect$/, (page) => {
      const far = page.connectToServer();
      far.onMessage((message) => page.send(message));
      page.onMessage((message) => {
        // An Edit, as opposed to the messages of the first exchange.
        if (message[0] === 1 && message[1] === 35) page.send(denied);
        else far.send(message);
      });
    });
    await ada.join(newRoom(), "Ada");
    await ada.type("editor", "x");
    await ada.sees("notice", "You can read here, but not write");
    await ada.state("saved", "denied");
    assert.equal(await ada.get("editor").getAttribute("contenteditable"), "false");
  },
);

visit("a room that does not answer says so, and opens when it does", async () => {
  const ada = await Visitor.create();
  await ada.page.goto(server.url);
  await ada.get("join-button").waitFor();
  ada.outage = true;
  await server.kill();
  await ada.get("join-button").click();
  await ada.sees("notice", "does not answer");
  // While nothing answers: once the server is back the page may be faster than the hand, and the button is gone.
  let attempts = 0;
  for (const kind of ["websocket", "request"]) ada.page.on(kind, () => attempts++);
  await ada.page.getByRole("button", { name: "Try now" }).click();
  await until("it tries", () => attempts > 0);
  await server.start();
  await ada.connected();
  await until("the notice is gone", async () => !(await ada.get("notice").isVisible()));
});

visit("the keyboard reaches everything, and the theme is remembered", async () => {
  const ada = await Visitor.create();
  await ada.join(newRoom(), "Ada");
  await ada.get("tab-document").focus();
  await ada.page.keyboard.press("ArrowRight");
  await ada.page.locator('[data-testid="tab-code"][aria-selected="true"]').waitFor();
  await ada.page.keyboard.press("ArrowLeft");
  await ada.page.keyboard.press("Tab");
  await ada.page.keyboard.press("End");
  const label = await ada.page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.equal(label, "Code block");
  const unnamed = await ada.page.evaluate(
    () =>
      [...document.querySelectorAll("button, input, [role=textbox]")].filter(
        (element) =>
          !(
            element.getAttribute("aria-label") ||
            element.textContent.trim() ||
            element.labels?.length
          ),
      ).length,
  );
  assert.equal(unnamed, 0, "every control has a name");
  await ada.page.getByRole("button", { name: "Switch to the dark theme" }).click();
  await ada.page.reload();
  await ada.page.getByRole("button", { name: "Switch to the light theme" }).waitFor();
});

async function pictures() {
  const room = "harbour-notes";
  const ada = await Visitor.create();
  const grace = await Visitor.create({ ...DESKTOP, colorScheme: "dark" });
  const linus = await Visitor.create(PHONE);
  const mary = await Visitor.create({ ...PHONE, colorScheme: "dark" });

  await ada.page.goto(server.url);
  await ada.get("join-room").fill(room);
  await ada.get("join-name").fill("Ada Lovelace");
  await picture(ada, "join");
  await ada.join(room, "Ada Lovelace");
  await ada.get("editor").focus();
  for (const [keys, text] of [
    ["Control+Alt+1", "Minutes of the harbour walk"],
    [
      null,
      "We met at the east pier at nine. The wind had turned in the night and the water was flat, so every sound carried: halyards, a radio, somebody sweeping.",
    ],
    ["Control+Alt+2", "What we recorded"],
    ["Control+Shift+8", "Room tone of the fish hall, two minutes, doors shut"],
    [null, "Footsteps on the iron stairs, up and down"],
    [null, "The nine thirty ferry, from the first note of its horn"],
    ["Enter", ""],
    [
      "Control+Shift+b",
      "A quiet room is never silent. It is the one sound every other sound sits in.",
    ],
    ["Enter", "Next week the boat sheds, if the tide allows. Bring the long cable."],
  ]) {
    if (keys !== null) await ada.page.keyboard.press(keys);
    await ada.page.keyboard.insertText(text);
    if (text !== "" && !text.startsWith("Next")) await ada.page.keyboard.press("Enter");
  }
  await ada.saved();

  await linus.join(room, "Linus");
  await linus.get("tab-code").tap();
  await linus.get("code").focus();
  await linus.page.keyboard.insertText(
    [
      "// How loud is the room?",
      "export function loudness(samples) {",
      "  const sum = samples.reduce((total, sample) => total + sample ** 2, 0);",
      "  return 10 * Math.log10(sum / samples.length);",
      "}",
      "",
      "const quiet = loudness([0.01, -0.02, 0.015]);",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
      "console.log(`Room tone: ${quiet.toFixed(1)} dB`);",
      "",
    ].join("\n"),
  );
  await linus.saved();
  await grace.join(room, "Grace Hopper");
  await grace.page.locator("[data-testid=editor] li").nth(1).click();
  await grace.page.keyboard.press("Home");
  for (let i = 0; i < 22; i += 1) await grace.page.keyboard.press("Shift+ArrowRight");
  await mary.join(room, "Mary Somerville");
  await ada.sees("caret", "Grace Hopper");
  await ada.sees("people", "Mary Somerville");
  await picture(ada, "document-light");
  await picture(grace, "document-dark");
  await picture(linus, "phone-code-light");
  await picture(mary, "phone-document-dark");
  await grace.get("tab-code").click();
  await grace.page.locator(".cm-line").nth(3).click();
  await grace.page.keyboard.press("Shift+Home");
  await until("Linus' caret", () => grace.page.locator(".cm-ySelectionCaret").count());
  await picture(grace, "code-dark");
}

visit("pictures of the page", pictures, { skip: SCREENSHOTS === undefined });

function asksBeforeLeaving(page) {
  return page.evaluate(() => {
    const event = new Event("beforeunload", { cancelable: true });
    window.dispatchEvent(event);
    return event.defaultPrevented;
  });
}
