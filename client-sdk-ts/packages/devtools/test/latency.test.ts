// How long things take, as the panel shows it.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { settled, World } from "../../core/test/fakes.js";
import { FakeServer } from "../../core/test/server.js";
import { holdTime, Stage } from "./stage.js";

beforeEach(() => holdTime());
afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

/** What the table says of one kind: count, last, p50, p95 and the longest. */
function numbers(stage: Stage, name: string): (string | null)[] {
  const row = stage.all("tbody tr").find((each) => each.firstElementChild?.textContent === name);
  return [...(row?.children ?? [])].slice(1).map((cell) => cell.textContent);
}

test("from an edit to the word that it is saved, and of a ping", async () => {
  const stage = new Stage();
  await stage.join();
  stage.show("Latency");
  stage.pass();
  // The Diff that answers the server's question was confirmed at once.
  expect(numbers(stage, "Saved")).toEqual(["1", "0 ms", "0 ms", "0 ms", "0 ms"]);
  const text = stage.room.doc.getText("t");
  for (const ms of [20, 30, 40]) {
    text.insert(0, "x");
    stage.world.clock.advance(ms);
    stage.commit();
  }
  // Two edits that one word of the server's confirms.
  text.insert(0, "y");
  stage.world.clock.advance(60);
  text.insert(0, "z");
  stage.world.clock.advance(200);
  stage.commit();
  stage.pass();
  expect(numbers(stage, "Saved")).toEqual(["6", "200 ms", "30 ms", "260 ms", "260 ms"]);
  expect(stage.all("svg .dots.saved")[0]?.getAttribute("d")?.match(/h0/g)).toHaveLength(6);
  expect(stage.all("svg")[0]?.getAttribute("aria-label")).toContain("p95 260 ms");

  const ping = stage.named("button", "Send a ping") as HTMLButtonElement;
  expect(ping.disabled).toBe(false);
  ping.click();
  stage.world.clock.advance(15);
  stage.server.read();
  stage.pass();
  expect(numbers(stage, "Ping")).toEqual(["1", "15 ms", "15 ms", "15 ms", "15 ms"]);
  expect(stage.room.status).toBe("connected");
  stage.close();
});

test("each connection is waited for alone, and what was lost with one is not measured on the next", async () => {
  const stage = new Stage();
  const socket = await stage.join();
  stage.show("Latency");
  const text = stage.room.doc.getText("t");
  text.insert(0, "first");
  const other = new World();
  const second = other.room({ environment: stage.inspector.environment(other.environment) });
  const otherServer = new FakeServer();
  otherServer.accept(await other.dial());
  otherServer.read();
  for (let i = 0; i < 8; i += 1) second.doc.getText("t").insert(0, "x");
  otherServer.read();
  otherServer.commit();
  stage.pass();
  expect(numbers(stage, "Saved")[0]).toBe("10");
  second.destroy();
  stage.pass();
  stage.commit();
  stage.pass();
  expect(numbers(stage, "Saved")[0]).toBe("11");

  // What was lost with its connection is not counted when the next one confirms something.
  text.insert(0, "lost");
  stage.server.leave(socket);
  socket.end(1006);
  stage.world.retry(stage.room);
  await settled();
  stage.pass(10_000);
  expect((stage.named("button", "Send a ping") as HTMLButtonElement).disabled).toBe(true);
  await stage.join();
  stage.commit();
  stage.pass();
  expect(numbers(stage, "Saved")[4]).toBe("2 s");
  stage.show("State");
  expect(stage.fact("Unconfirmed")).toBe("0 messages");
  stage.close();
});
