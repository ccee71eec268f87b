// Waiting for the document.

import { act } from "@testing-library/react";
import { Component, type ReactNode, Suspense } from "react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RoomProvider, RoomRefusedError, useSuspenseSynced, useText } from "../src/index.js";
import { Stage } from "./stage.js";

function Note(): ReactNode {
  useSuspenseSynced();
  return `note: ${useText("t")}`;
}

class Boundary extends Component<{ readonly children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return error instanceof RoomRefusedError ? `refused: ${error.code} ${error.reason}` : "broken";
  }
}

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe.each([{ strict: false }, { strict: true }])("strict: $strict", ({ strict }) => {
  test("the fallback until the first step, and never again", async () => {
    const stage = new Stage({ strict });
    stage.server.replace("room", "from the server");
    stage.show(<Note />, { fallback: "waiting" });
    expect(stage.html).toBe("waiting");
    await stage.join();
    expect(stage.html).toBe("note: from the server");
    await stage.drop();
    expect(stage.room.synced).toBe(false);
    expect(stage.html).toBe("note: from the server");
    expect(stage.world.sockets).toHaveLength(1);
  });

  test("whoever comes later, and without a connection, does not wait either", async () => {
    const stage = new Stage({ strict });
    stage.show("nothing", { fallback: "waiting" });
    await stage.join();
    await stage.drop();
    stage.show(<Note />, { fallback: "waiting" });
    expect(stage.html).toBe("note: ");
  });

  test("a refusal goes to the error boundary instead of waiting for ever", async () => {
    const stage = new Stage({ strict });
    stage.show(
      <Boundary>
        <Note />
      </Boundary>,
      { fallback: "waiting" },
    );
    await act(async () => void (await stage.world.dial()));
    await stage.drop(4404, "no such room");
    expect(stage.html).toBe("refused: 4404 no such room");
  });

  test("attempts that fail are waited out", async () => {
    const stage = new Stage({ strict });
    stage.show(
      <Boundary>
        <Note />
      </Boundary>,
      { fallback: "waiting" },
    );
    await act(async () => void (await stage.world.dial()));
    await stage.drop();
    expect(stage.html).toBe("waiting");
    await act(async () => stage.world.retry(stage.room));
    await stage.join();
    expect(stage.html).toBe("note: ");
  });

  test("with a room that was given, the boundary may stand above the provider", async () => {
    const stage = new Stage({ strict });
    const room = stage.world.room();
    stage.render(
      <Suspense fallback="waiting">
        <RoomProvider room={room} environment={stage.world.environment}>
          <Note />
        </RoomProvider>
      </Suspense>,
    );
    expect(stage.html).toBe("waiting");
    await stage.join();
    expect(stage.html).toBe("note: ");
    room.destroy();
  });
});
