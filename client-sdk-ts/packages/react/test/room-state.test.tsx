// Connected, in step, saved, refused: over a real room and a server that commits when it is told to.

import { act } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { type FakeSocket, joined, welcome } from "../../core/test/fakes.js";
import {
  useRefusal,
  useRole,
  useSaved,
  useStatus,
  useSynced,
  useText,
  useUser,
} from "../src/index.js";
import { counted, Stage } from "./stage.js";

describe.each([{ strict: false }, { strict: true }])("strict: $strict", ({ strict }) => {
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage({ strict });
  });

  /** What was rendered, without renderings that showed the same. */
  function changes<Value>(seen: readonly Value[]): Value[] {
    return seen.filter((value, index) => index === 0 || value !== seen[index - 1]);
  }

  test("two rooms edit one text, and each knows when its work is on the disk", async () => {
    const { Counted, seen } = counted(() => [useText("t"), useSaved().state, useSynced()].join());
    stage.show(<Counted />);
    const other = stage.world.room();
    await stage.join();
    expect(stage.world.sockets).toHaveLength(2);
    const first = stage.world.sockets[0] as FakeSocket;
    await act(async () => {
      first.open();
      stage.admit(first);
    });
    await act(async () => stage.room.doc.getText("t").insert(0, "mine"));
    await stage.commit();
    await act(async () => other.doc.getText("t").insert(4, ", theirs"));
    await stage.commit();
    expect(changes(seen)).toEqual([
      ",saved,false",
      ",saved,true",
      "mine,saving,true",
      "mine,saved,true",
      "mine, theirs,saved,true",
    ]);
    other.destroy();
  });

  test("status: from the first rendering to the loss and back", async () => {
    const { Counted, seen } = counted(() => useStatus());
    stage.show(<Counted />);
    await stage.join();
    await stage.drop();
    await act(async () => stage.world.retry(stage.room));
    await stage.join();
    expect(changes(seen)).toEqual([
      "disconnected",
      "connecting",
      "connected",
      "connecting",
      "connected",
    ]);
  });

  test("work that was done away counts as offline until it is committed", async () => {
    const { Counted, seen } = counted(() => {
      const { state, unsaved } = useSaved();
      return `${state} ${unsaved}`;
    });
    stage.show(<Counted />);
    await act(async () => stage.room.doc.getText("t").insert(0, "a"));
    await stage.join();
    await stage.commit();
    expect(changes(seen)).toEqual(["saved 0", "offline 1", "saving 1", "saved 0"]);
  });

  test("a refusal is shown with its reason, and is over when one tries again", async () => {
    const { Counted, seen } = counted(() => useRefusal()?.reason ?? null);
    stage.show(<Counted />);
    await stage.join();
    await stage.drop(4403, "not yours");
    await act(async () => stage.room.connect());
    expect(changes(seen)).toEqual([null, "not yours", null]);
  });
});

test("what one may do, from the first word of the server on", async () => {
  const stage = new Stage();
  const { Counted, seen } = counted(() => [useRole(), useUser()]);
  stage.show(<Counted />);
  await act(async () => {
    const socket = await stage.world.dial();
    socket.say(welcome(), joined(1, 1, "viewer", "ada"));
  });
  await act(async () => stage.world.socket.say({ channel: 1, type: "role", role: "editor" }));
  expect(seen).toEqual([
    [null, null],
    ["viewer", "ada"],
    ["editor", "ada"],
  ]);
});

test("what others do renders nothing that shows the state of the room", async () => {
  const stage = new Stage();
  const { Counted, seen } = counted(() => [useStatus(), useSynced(), useSaved(), useRefusal()]);
  stage.show(<Counted />);
  await stage.join();
  const before = seen.length;
  await stage.edit((doc) => doc.getText("t").insert(0, "theirs"));
  await stage.meet(2, { name: "Ada" });
  expect(seen).toHaveLength(before);
});
