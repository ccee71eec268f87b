// The example of the README, here so that it is compiled: a shared note with cursors, faces, undo and "is it saved?".

import {
  AvatarStack,
  Cursors,
  RoomProvider,
  SavedIndicator,
  useDoc,
  useMap,
  useOthers,
  useSuspenseSynced,
  useUndo,
  useUpdatePresence,
} from "@roomtone/react";

declare module "@roomtone/react" {
  interface Register {
    presence: { name: string; cursor?: { x: number; y: number } | null };
  }
}

export function Page() {
  return (
    <RoomProvider
      url="wss://collab.example.org"
      name="minutes-2026-07"
      token={async () => (await fetch("/api/room-token")).text()}
      presence={{ initial: { name: "Ada" } }}
      fallback={<p>Opening…</p>}
    >
      <AvatarStack className="people" includeMe />
      <SavedIndicator className="saved" />
      <Note />
    </RoomProvider>
  );
}

function Note() {
  useSuspenseSynced();
  const note = useDoc().getMap<string>("note");
  const title = useMap(note, (map) => map.get("title") ?? "");
  const pointing = useOthers((others) => others.filter(({ state }) => state.cursor).length);
  const { canUndo, undo } = useUndo(note);
  const show = useUpdatePresence();
  return (
    <section
      style={{ position: "relative" }}
      onPointerMove={({ currentTarget, clientX, clientY }) => {
        const { left, top } = currentTarget.getBoundingClientRect();
        show({ cursor: { x: clientX - left, y: clientY - top } });
      }}
      onPointerLeave={() => show({ cursor: null })}
    >
      <input
        aria-label="Title"
        value={title}
        onChange={({ target }) => note.set("title", target.value)}
      />
      <button type="button" disabled={!canUndo} onClick={undo}>
        Undo
      </button>
      <p>{pointing} others point at something</p>
      <Cursors className="cursors" />
    </section>
  );
}
