// How a room begins and ends with its provider, however often React mounts it.

import { act } from "@testing-library/react";
import { Activity, Suspense, useEffect, useState } from "react";
import { describe, expect, test, vi } from "vitest";
import { settled } from "../../core/test/fakes.js";
import { RoomProvider, useDoc, usePresence, useRoom } from "../src/index.js";
import { ABANDONED_MS, ScopeKeeper } from "../src/scope.js";
import { Stage, Witness } from "./stage.js";

function never(): never {
  throw new Promise(() => {});
}

describe.each([{ strict: false }, { strict: true }])("strict: $strict", ({ strict }) => {
  test("one room and one socket, left for good when the provider goes", async () => {
    const stage = new Stage({ strict });
    stage.show(null);
    expect(stage.room.status).toBe("connecting");
    await stage.join();
    expect(stage.room.status).toBe("connected");
    expect(stage.world.sockets).toHaveLength(1);
    const { room } = stage;
    stage.leave();
    await stage.pass(ABANDONED_MS);
    expect(stage.open).toEqual([]);
    expect(stage.world.clock.timers.size).toBe(0);
    expect(stage.world.listeners.size).toBe(0);
    expect(room.status).toBe("disconnected");
    expect(room.doc.isDestroyed).toBe(true);
    expect(stage.rooms).toHaveLength(1);
    expect(stage.world.errors).toEqual([]);
  });

  test("a rendering that is thrown away leaves nothing behind, and opened nothing", async () => {
    const stage = new Stage({ strict });
    const Waits = () => never();
    stage.render(
      <Suspense fallback="waiting">
        <RoomProvider {...stage.props}>
          <Waits />
        </RoomProvider>
      </Suspense>,
    );
    expect(stage.html).toBe("waiting");
    expect(stage.world.listeners.size).toBeGreaterThan(0);
    await stage.pass(ABANDONED_MS);
    expect(stage.world.listeners.size).toBe(0);
    expect(stage.world.clock.timers.size).toBe(0);
    await settled();
    expect(stage.world.sockets).toEqual([]);
  });

  test("a room that was given is neither connected nor destroyed", async () => {
    const stage = new Stage({ strict });
    const room = stage.world.room({ connect: false });
    stage.show(null, { room, presence: { initial: { name: "Ada" } } });
    expect(stage.rooms).toEqual([room]);
    expect(room.status).toBe("disconnected");
    expect(room.awareness.getLocalState()).toEqual({ name: "Ada" });
    stage.leave();
    await stage.pass(0);
    expect(room.doc.isDestroyed).toBe(false);
    // What was shown here is shown no longer.
    expect(room.awareness.getLocalState()).toEqual({});
    room.destroy();
  });

  test("what is shown goes out as soon as the room is joined", async () => {
    const stage = new Stage({ strict });
    stage.show(null, { presence: { initial: { name: "Ada" } } });
    await act(async () => void (await stage.world.open()));
    const shown = stage.world.socket.take().find(({ type }) => type === "awareness");
    expect(shown?.type === "awareness" && new TextDecoder().decode(shown.update)).toContain("Ada");
  });
});

test("StrictMode's second mount finds the room, the document and the socket of the first", async () => {
  const stage = new Stage({ strict: true });
  const mounts: unknown[] = [];
  function Writes() {
    const doc = useDoc();
    const room = useRoom();
    useEffect(() => {
      mounts.push(room);
      doc.getText("t").insert(0, "x");
    }, [doc, room]);
    return null;
  }
  stage.show(<Writes />);
  await stage.join();
  expect(mounts).toEqual([stage.room, stage.room]);
  expect(stage.room.doc.getText("t").toString()).toBe("xx");
  await stage.pass(ABANDONED_MS);
  expect(stage.open).toHaveLength(1);
  expect(stage.room.status).toBe("connected");
});

test("a tree that is hidden has no socket, and one that is shown again has its work", async () => {
  const stage = new Stage();
  const show = (mode: "visible" | "hidden") => {
    stage.render(
      <Activity mode={mode}>
        <RoomProvider {...stage.props}>
          <Witness rooms={stage.rooms} />
        </RoomProvider>
      </Activity>,
    );
  };
  show("visible");
  await stage.join();
  await stage.drop();
  stage.room.doc.getText("t").insert(0, "unsaved");
  show("hidden");
  await stage.pass(ABANDONED_MS);
  expect(stage.open).toEqual([]);
  expect(stage.world.clock.timers.size).toBe(0);
  show("visible");
  await stage.pass(0);
  const socket = await stage.join();
  expect(stage.rooms).toHaveLength(2);
  expect(stage.room.doc.getText("t").toString()).toBe("unsaved");
  await stage.commit();
  expect(stage.server.disk().getText("t").toString()).toBe("unsaved");
  expect(stage.open).toEqual([socket]);
});

test("a document that was replaced while the tree was hidden is not mixed with the copy", async () => {
  const stage = new Stage();
  const show = (mode: "visible" | "hidden", key = "1") => {
    stage.render(
      <Activity mode={mode}>
        <RoomProvider key={key} {...stage.props}>
          <Witness rooms={stage.rooms} />
        </RoomProvider>
      </Activity>,
    );
  };
  show("visible");
  await stage.join();
  stage.room.doc.getText("t").insert(0, "old");
  await stage.commit();
  show("hidden");
  await stage.pass(0);
  stage.server.replace("room", "new");
  show("visible");
  const stale: string[] = [];
  stage.room.on("replaced", (event) => stale.push(event.stale.getText("t").toString()));
  await stage.join();
  expect(stale).toEqual(["old"]);
  expect(stage.room.refusal?.code).toBe(4409);
  expect(stage.server.disk().getText("t").toString()).toBe("new");
  // Another key opens the room anew, with an empty document.
  show("visible", "2");
  await stage.join();
  await stage.commit();
  expect(stage.room.doc.getText("t").toString()).toBe("new");
  expect(stage.server.disk().getText("t").toString()).toBe("new");
});

test("a rendering that is shown only after its room was given up gets a new one", async () => {
  const stage = new Stage();
  const { environment } = stage.world;
  const keeper = new ScopeKeeper({ options: stage.props, environment });
  const { room } = keeper.get();
  await stage.pass(ABANDONED_MS);
  let told = 0;
  keeper.subscribe(() => {
    told += 1;
  });
  const release = keeper.hold();
  expect(told).toBe(1);
  expect(keeper.get().room).not.toBe(room);
  expect(keeper.get().room.status).toBe("connecting");
  release();
  await stage.pass(0);
  expect(stage.world.listeners.size).toBe(0);
});

test("another name is another room, and what is below starts anew", async () => {
  const stage = new Stage();
  const mounted: string[] = [];
  function Below() {
    const room = useRoom();
    useState(() => mounted.push(room.name));
    return null;
  }
  stage.show(<Below />);
  await stage.join();
  stage.show(<Below />);
  expect(stage.rooms).toHaveLength(1);
  stage.show(<Below />, { name: "other" });
  await stage.pass(0);
  expect(mounted).toEqual(["room", "other"]);
  await act(async () => void (await stage.world.dial()));
  expect(stage.open).toEqual([stage.world.socket]);
  const joined = stage.world.socket
    .take()
    .flatMap((each) => (each.type === "join" ? each.name : []));
  expect(joined).toEqual(["other"]);
});

test("the newest token and the newest onError count, without a new room", async () => {
  const stage = new Stage();
  const errors: unknown[] = [];
  const dial = () => act(async () => void (await stage.world.dial()));
  const token = () => {
    const hello = stage.world.socket.take().find(({ type }) => type === "hello");
    return hello?.type === "hello" ? hello.token : null;
  };
  stage.show(null, { token: "first" });
  await dial();
  expect(token()).toBe("first");
  stage.show(null, { token: () => "second", onError: (error) => errors.push(error) });
  await stage.drop();
  await act(async () => stage.world.retry(stage.room));
  await dial();
  expect(token()).toBe("second");
  stage.room.on("status", () => {
    throw new Error("mine");
  });
  await stage.drop(4403);
  expect(errors).toEqual([new Error("mine")]);
  expect(stage.rooms).toHaveLength(1);
});

test("connect={false} waits for connect()", async () => {
  const stage = new Stage();
  stage.show(null, { connect: false });
  await stage.pass(0);
  expect(stage.room.status).toBe("disconnected");
  await act(async () => stage.room.connect());
  expect(stage.room.status).toBe("connecting");
});

test("without a provider the hooks say so", () => {
  const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
  const stage = new Stage();
  for (const useHook of [useRoom, useDoc, usePresence]) {
    const Lost = () => {
      useHook();
      return null;
    };
    expect(() => stage.render(<Lost />)).toThrow("There is no <RoomProvider>");
    stage.leave();
  }
  quiet.mockRestore();
});
