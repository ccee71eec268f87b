// A page that a server has rendered, taken over by React.

import { act } from "@testing-library/react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { World } from "../../core/test/fakes.js";
import {
  AvatarStack,
  Cursors,
  RoomProvider,
  SavedIndicator,
  useMap,
  useStatus,
  useText,
} from "../src/index.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function Note() {
  const title = useMap("m", (map) => String(map.get("title") ?? "untitled"));
  return <p>{`${title}: ${useText("t")} (${useStatus()})`}</p>;
}

test("the page takes over without a complaint, although its document is fuller", async () => {
  const complaints = vi.spyOn(console, "error");
  const world = new World();
  const doc = new Y.Doc();
  doc.getText("t").insert(0, "kept");
  doc.getMap("m").set("title", "Kept");
  const app = (
    <RoomProvider
      url="ws://server"
      name="room"
      doc={doc}
      environment={world.environment}
      presence={{ initial: { name: "Ada" } }}
    >
      <Note />
      <Cursors />
      <AvatarStack includeMe />
      <SavedIndicator />
    </RoomProvider>
  );
  vi.stubGlobal("window", undefined);
  const html = renderToString(app);
  vi.unstubAllGlobals();
  expect(html).toContain("<p>untitled:  (disconnected)</p>");

  const container = document.createElement("div");
  container.innerHTML = html;
  const paragraph = container.querySelector("p");
  const recovered: unknown[] = [];
  const root = await act(async () =>
    hydrateRoot(container, app, { onRecoverableError: (error) => recovered.push(error) }),
  );
  expect(recovered).toEqual([]);
  expect(complaints).not.toHaveBeenCalled();
  expect(container.querySelector("p")).toBe(paragraph);
  expect(paragraph?.textContent).toBe("Kept: kept (connecting)");
  await act(async () => root.unmount());
  world.clock.advance(0);
  expect(world.listeners.size).toBe(0);
});
