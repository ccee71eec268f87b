// The cursors of others, the own pointer, and following somebody.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import {
  type Cursor,
  cursorTracker,
  follow,
  LAG_MS,
  type Point,
  type PointerTarget,
  presence,
  SEND_EVERY_MS,
  trackPointer,
} from "../../src/presence/index.js";
import { World } from "../fakes.js";
import { Hall } from "./hall.js";

interface Shown {
  readonly cursor?: Point | null | undefined;
  readonly viewport?: { readonly zoom: number } | undefined;
}

/** Frames that a test asks for. */
class Screen {
  readonly waiting = new Map<number, () => void>();
  #next = 1;

  request = (run: () => void): unknown => {
    const frame = this.#next;
    this.#next += 1;
    this.waiting.set(frame, run);
    return frame;
  };

  cancel = (frame: unknown): void => {
    this.waiting.delete(frame as number);
  };

  /** Draws all that waits, and says whether anything did. */
  draw(): boolean {
    const runs = [...this.waiting.values()];
    this.waiting.clear();
    for (const run of runs) run();
    return runs.length > 0;
  }
}

let hall: Hall;
beforeEach(() => {
  hall = new Hall();
});
afterEach(() => {
  hall.close();
  expect(hall.errors).toEqual([]);
});

function shown(clientId: number, initial: Shown = {}) {
  return hall.presence<Shown>(hall.enter(clientId), { initial });
}

function placed(cursors: readonly Cursor<Shown>[]): [number, number, number][] {
  return cursors.map(({ other, x, y }) => [other.clientId, x, y]);
}

describe("the tracker", () => {
  test("draws while something moves, then rests, and wakes with the next move", () => {
    const me = shown(1);
    const ada = shown(2, { cursor: { x: 0, y: 0 } });
    const screen = new Screen();
    const tracker = cursorTracker(me, { ...hall.around(), frames: screen });
    const drawn: [number, number, number][][] = [];
    tracker.onFrame((cursors) => drawn.push(placed(cursors)));
    screen.draw();
    expect(drawn).toEqual([[[2, 0, 0]]]);
    expect(screen.draw()).toBe(false);

    hall.clock.advance(1_000);
    ada.update({ cursor: { x: 100, y: 0 } });
    screen.draw();
    hall.clock.advance(LAG_MS / 2);
    screen.draw();
    hall.clock.advance(LAG_MS / 2);
    screen.draw();
    expect(drawn.slice(1)).toEqual([[[2, 0, 0]], [[2, 50, 0]], [[2, 100, 0]]]);
    expect(screen.draw()).toBe(false);

    // Something else of hers changes: that is drawn once, and moves nothing.
    ada.update({ viewport: { zoom: 2 } });
    expect([screen.draw(), screen.draw()]).toEqual([true, false]);

    hall.clock.advance(1_000);
    ada.update({ cursor: null });
    screen.draw();
    expect(drawn.at(-1)).toEqual([]);
    expect(screen.draw()).toBe(false);
  });

  test("a cursor that returns begins where it returns", () => {
    const me = shown(1);
    const ada = shown(2, { cursor: { x: 0, y: 0 } });
    const tracker = cursorTracker(me, hall.around());
    hall.clock.advance(1_000);
    ada.update({ cursor: null });
    hall.clock.advance(1_000);
    ada.update({ cursor: { x: 500, y: 5 } });
    expect(placed(tracker.sample())).toEqual([[2, 500, 5]]);
  });

  test("nonsense has no cursor, and a cursorOf that throws is reported", () => {
    const me = shown(1);
    shown(2, { cursor: { x: "left" } as unknown as Point });
    const ada = shown(3, { cursor: { x: 1, y: 1 } });
    expect(placed(cursorTracker(me, hall.around()).sample())).toEqual([[3, 1, 1]]);
    const tracker = cursorTracker(me, {
      ...hall.around(),
      cursorOf: ({ cursor }) => {
        if (cursor?.x === 1) throw new Error("mine");
        return cursor;
      },
    });
    hall.clock.advance(1_000);
    ada.update({ viewport: { zoom: 1 } });
    expect(tracker.sample()).toEqual([]);
    expect(hall.errors.splice(0)).toEqual([new Error("mine")]);
    hall.clock.advance(1_000);
    ada.update({ cursor: { x: 2, y: 2 } });
    expect(placed(tracker.sample())).toEqual([[3, 2, 2]]);
  });

  test("a drawer that throws is reported, and the others are drawn", () => {
    const me = shown(1);
    shown(2, { cursor: { x: 0, y: 0 } });
    const screen = new Screen();
    const tracker = cursorTracker(me, { ...hall.around(), frames: screen });
    let drawn = 0;
    tracker.onFrame(() => {
      throw new Error("mine");
    });
    tracker.onFrame(() => {
      drawn += 1;
    });
    screen.draw();
    expect(drawn).toBe(1);
    expect(hall.errors.splice(0)).toEqual([new Error("mine")]);
  });

  test("nothing waits for a frame once nobody draws, or after the end", () => {
    const me = shown(1);
    const ada = shown(2, { cursor: { x: 0, y: 0 } });
    const screen = new Screen();
    const tracker = cursorTracker(me, { ...hall.around(), frames: screen });
    const stop = tracker.onFrame(() => {});
    expect(screen.waiting.size).toBe(1);
    stop();
    expect(screen.waiting.size).toBe(0);
    tracker.onFrame(() => {});
    tracker.destroy();
    hall.clock.advance(1_000);
    ada.update({ cursor: { x: 1, y: 1 } });
    expect(screen.waiting.size).toBe(0);
  });
});

test("the own pointer is told in the element's coordinates, and leaves with it", () => {
  const element = Object.assign(new EventTarget(), {
    getBoundingClientRect: () => ({ left: 10, top: 20 }),
  }) satisfies PointerTarget;
  const points: (Point | null)[] = [];
  const stop = trackPointer(element, (point) => points.push(point));
  const move = () => {
    const event = Object.assign(new Event("pointermove"), { clientX: 15, clientY: 50 });
    element.dispatchEvent(event);
  };
  move();
  element.dispatchEvent(new Event("pointerleave"));
  move();
  element.dispatchEvent(new Event("pointercancel"));
  stop();
  move();
  element.dispatchEvent(new Event("pointerleave"));
  expect(points).toEqual([{ x: 5, y: 30 }, null, { x: 5, y: 30 }, null]);
});

describe("following", () => {
  function watch(clientId: number) {
    const me = shown(1);
    const seen: unknown[] = [];
    let ends = 0;
    const onEnd = () => {
      ends += 1;
    };
    const options = { ...hall.around(), onEnd };
    const following = follow(me, clientId, (viewport) => seen.push(viewport), options);
    return { me, seen, following, ends: () => ends };
  }

  test("tells the viewport at once and after each change, until they leave", () => {
    const awareness = hall.enter(2);
    const ada = hall.presence<Shown>(awareness, { initial: { viewport: { zoom: 1 } } });
    const { seen, following, ends } = watch(2);
    hall.clock.advance(SEND_EVERY_MS);
    ada.update({ cursor: { x: 1, y: 1 } });
    hall.clock.advance(SEND_EVERY_MS);
    ada.update({ viewport: { zoom: 2 } });
    expect(seen).toEqual([{ zoom: 1 }, { zoom: 2 }]);
    expect(following.active).toBe(true);
    awareness.setLocalState(null);
    awareness.setLocalState({ viewport: { zoom: 3 } });
    expect([following.active, ends(), seen.length]).toEqual([false, 1, 2]);
  });

  test("somebody who is not here ends at once; stop ends without a word", () => {
    expect(watch(9).ends()).toBe(1);
    const awareness = hall.enter(2);
    awareness.setLocalState({});
    const { following, ends } = watch(2);
    expect(following.active).toBe(true);
    following.stop();
    awareness.setLocalState(null);
    expect([following.active, ends()]).toEqual([false, 0]);
  });

  test("callbacks that throw are reported, and it goes on", () => {
    const ada = shown(2, { viewport: { zoom: 1 } });
    const me = shown(1);
    const seen: unknown[] = [];
    follow<Shown, { zoom: number }>(
      me,
      2,
      (viewport) => {
        seen.push(viewport);
        throw new Error("mine");
      },
      hall.around(),
    );
    hall.clock.advance(SEND_EVERY_MS);
    ada.update({ viewport: { zoom: 2 } });
    expect(seen).toEqual([{ zoom: 1 }, { zoom: 2 }]);
    expect(hall.errors.splice(0)).toHaveLength(2);
  });

  test("two who follow each other come to rest", () => {
    const ada = shown(1, { viewport: { zoom: 1 } });
    const bob = shown(2, { viewport: { zoom: 2 } });
    let told = 0;
    const mirror = (from: typeof ada, clientId: number) =>
      follow<Shown, { zoom: number }>(from, clientId, (viewport) => {
        told += 1;
        from.update({ viewport });
      });
    mirror(ada, 2);
    mirror(bob, 1);
    hall.clock.advance(10_000);
    expect(ada.me).toEqual(bob.me);
    expect(told).toBeLessThan(10);
  });

  test("a drop of the own connection is waited out", async () => {
    const world = new World();
    const room = world.room();
    const me = presence(room, { environment: world.environment });
    const ada = hall.enter(2);
    ada.setLocalState({ viewport: { zoom: 1 } });
    const eve = hall.enter(3);
    eve.setLocalState({});
    // The server tells who is there.
    const arrive = (...people: (typeof ada)[]) => {
      for (const one of people) {
        applyAwarenessUpdate(room.awareness, encodeAwarenessUpdate(one, [one.clientID]), room);
      }
    };
    await world.open();
    arrive(ada);
    let ends = 0;
    const following = follow(me, 2, () => {}, {
      onEnd: () => {
        ends += 1;
      },
    });
    const again = async () => {
      world.socket.end(1006);
      expect(me.others).toEqual([]);
      expect(following.active).toBe(true);
      world.retry(room);
      await world.open();
      me.update({ cursor: world.clock.nowMs });
      expect(following.active).toBe(true);
    };
    await again();
    arrive(ada, eve);
    expect([following.active, ends]).toEqual([true, 0]);
    await again();
    arrive(eve);
    expect([following.active, ends]).toEqual([false, 1]);
    room.destroy();
  });
});
