// Rendering on a server: no window, no socket, no timer that is left.
// @vitest-environment node

import { Suspense } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { World } from "../../core/test/fakes.js";
import {
  AvatarStack,
  Chat,
  Cursors,
  RoomProvider,
  SavedIndicator,
  useArray,
  useChat,
  useDoc,
  useMap,
  useMyPresence,
  useOthers,
  useRefusal,
  useRole,
  useRoom,
  useSaved,
  useStatus,
  useSuspenseSynced,
  useSynced,
  useText,
  useTyping,
  useUndo,
  useUser,
} from "../src/index.js";

const props = { url: "ws://server", name: "room" };

afterEach(() => {
  vi.restoreAllMocks();
});

let facts: unknown = null;

function All() {
  const [me] = useMyPresence<{ name?: string }>();
  const { canUndo } = useUndo(useDoc().getText("t"));
  facts = {
    room: useRoom().name,
    map: useMap("m"),
    title: useMap("m", (map) => map.get("title") ?? "untitled"),
    list: useArray("l"),
    text: useText("t"),
    others: useOthers().length,
    status: useStatus(),
    synced: useSynced(),
    saved: useSaved().state,
    refusal: useRefusal(),
    role: useRole(),
    user: useUser(),
    canUndo,
    messages: useChat(({ messages }) => messages),
    typists: useTyping()[0],
    me,
  };
  return "all";
}

test("every hook and component has something to say", () => {
  expect(typeof window).toBe("undefined");
  const timers = vi.spyOn(globalThis, "setTimeout");
  const starts = vi.spyOn(globalThis, "setInterval");
  const stops = vi.spyOn(globalThis, "clearInterval");
  const html = renderToString(
    <RoomProvider {...props} presence={{ initial: { name: "Ada" } }}>
      <All />
      <Cursors />
      <Chat />
      <AvatarStack includeMe />
      <SavedIndicator />
    </RoomProvider>,
  );
  expect(facts).toEqual({
    room: "room",
    map: {},
    title: "untitled",
    list: [],
    text: "",
    others: 0,
    status: "disconnected",
    synced: false,
    saved: "saved",
    refusal: null,
    role: null,
    user: null,
    canUndo: false,
    messages: [],
    typists: [],
    me: { name: "Ada" },
  });
  expect(html).toContain('aria-label="1 person here"');
  expect(html).toContain("Saved");
  expect(html).toContain('role="log"');
  // The awareness of a room has an interval, which would keep the process and the room for ever.
  expect(starts.mock.calls.length).toBe(stops.mock.calls.length);
  expect(timers).not.toHaveBeenCalled();
});

test("neither the application's environment nor its document is touched", () => {
  const world = new World();
  const doc = new Y.Doc();
  doc.getText("t").insert(0, "there");
  const listeners = () => [...doc._observers.values()].reduce((sum, set) => sum + set.size, 0);
  const before = listeners();
  const { environment } = world;
  const html = renderToString(
    <RoomProvider {...props} doc={doc} environment={environment}>
      <All />
    </RoomProvider>,
  );
  expect(html).toBe("all");
  expect(facts).toMatchObject({ text: "" });
  expect(world.sockets).toEqual([]);
  expect(world.listeners.size).toBe(0);
  expect(world.clock.timers.size).toBe(0);
  expect(listeners()).toBe(before);
});

test("what waits for the document leaves its fallback to the page", () => {
  const Waits = () => {
    useSuspenseSynced();
    return "never";
  };
  const html = renderToString(
    <RoomProvider {...props} fallback="waiting">
      <Waits />
    </RoomProvider>,
  );
  expect(html).toContain("waiting");
  expect(html).not.toContain("never");
  const outside = renderToString(
    <Suspense fallback="above">
      <RoomProvider {...props}>
        <Waits />
      </RoomProvider>
    </Suspense>,
  );
  expect(outside).toContain("above");
});
