// The geometry of pan, zoom, pinch and fit.

import { describe, expect, test } from "vitest";
import {
  between,
  type Camera,
  fitted,
  isNear,
  panned,
  pinched,
  revealed,
  toBoard,
  toScreen,
  ZOOM_MAX,
  ZOOM_MIN,
  zoomedAt,
} from "../src/board/camera.js";
import { edgeSpeed } from "../src/board/edge-pan.js";
import { around, type Point } from "../src/board/geometry.js";
import { glide, shareOf } from "../src/board/glide.js";
import { Random } from "./random.js";

const SCREEN = { w: 800, h: 600 };

function cameras(count: number): { camera: Camera; random: Random }[] {
  const random = new Random(3);
  return Array.from({ length: count }, () => ({
    camera: {
      x: random.below(4_000) - 2_000,
      y: random.below(4_000) - 2_000,
      zoom: ZOOM_MIN + random.next() * (ZOOM_MAX - ZOOM_MIN),
    },
    random,
  }));
}

function point(random: Random): Point {
  return { x: random.below(SCREEN.w), y: random.below(SCREEN.h) };
}

function expectSame(a: Point, b: Point) {
  expect(a.x).toBeCloseTo(b.x, 6);
  expect(a.y).toBeCloseTo(b.y, 6);
}

describe("the camera", () => {
  test("to the board and back is where one was", () => {
    for (const { camera, random } of cameras(200)) {
      const at = point(random);
      expectSame(toScreen(camera, toBoard(camera, at)), at);
    }
  });

  test("panning moves what is under the finger with the finger", () => {
    for (const { camera, random } of cameras(200)) {
      const [from, to] = [point(random), point(random)];
      const moved = panned(camera, to.x - from.x, to.y - from.y);
      expectSame(toBoard(moved, to), toBoard(camera, from));
    }
  });

  test("zooming leaves the point under the pointer where it is, within bounds", () => {
    for (const { camera, random } of cameras(200)) {
      const at = point(random);
      const next = zoomedAt(camera, at, 0.05 + random.next() * 20);
      expectSame(toBoard(next, at), toBoard(camera, at));
      expect(next.zoom).toBeGreaterThanOrEqual(ZOOM_MIN);
      expect(next.zoom).toBeLessThanOrEqual(ZOOM_MAX);
    }
  });

  test("pinching keeps both fingers on what they took hold of", () => {
    const camera = { x: 10, y: -20, zoom: 1 };
    const from = [
      { x: 100, y: 100 },
      { x: 200, y: 200 },
    ] as const;
    const to = [
      { x: 50, y: 80 },
      { x: 250, y: 280 },
    ] as const;
    const next = pinched(camera, from, to);
    expect(next.zoom).toBeCloseTo(2);
    expectSame(toBoard(next, to[0]), toBoard(camera, from[0]));
    expectSame(toBoard(next, to[1]), toBoard(camera, from[1]));
  });

  test("fingers on one spot do not zoom without end", () => {
    const spot = { x: 100, y: 100 };
    const next = pinched({ x: 0, y: 0, zoom: 1 }, [spot, spot], [spot, spot]);
    expect(next.zoom).toBe(1);
  });

  test("fit shows all of it, in the middle, and never larger than it is", () => {
    for (const box of [
      { x: -3_000, y: 100, w: 5_000, h: 800 },
      { x: 0, y: 0, w: 10, h: 4_000 },
      { x: 7, y: 8, w: 20, h: 20 },
    ]) {
      const camera = fitted(box, SCREEN, 40);
      const low = toScreen(camera, box);
      const high = toScreen(camera, { x: box.x + box.w, y: box.y + box.h });
      expect(camera.zoom).toBeLessThanOrEqual(1);
      expect(Math.min(low.x, low.y)).toBeGreaterThanOrEqual(40 - 1e-6);
      expect(high.x).toBeLessThanOrEqual(SCREEN.w - 40 + 1e-6);
      expect(high.y).toBeLessThanOrEqual(SCREEN.h - 40 + 1e-6);
      expect(low.x).toBeCloseTo(SCREEN.w - high.x, 6);
      expect(low.y).toBeCloseTo(SCREEN.h - high.y, 6);
    }
  });

  test("reveal moves no more than it must", () => {
    const camera = { x: 0, y: 0, zoom: 1 };
    const inside = { x: 100, y: 100, w: 200, h: 100 };
    expect(revealed(camera, inside, SCREEN, 20)).toEqual(camera);
    expect(revealed(camera, { ...inside, x: 700 }, SCREEN, 20)).toEqual({ ...camera, x: 120 });
    expect(revealed(camera, { ...inside, y: -50 }, SCREEN, 20)).toEqual({ ...camera, y: -70 });
    expect(revealed(camera, { x: 50, y: 0, w: 5_000, h: 10 }, SCREEN, 20)).toEqual({
      ...camera,
      x: 30,
      y: -20,
    });
  });

  test("on its way, what is at one place at both ends stays there", () => {
    for (const { camera, random } of cameras(200)) {
      const at = point(random);
      const goal = zoomedAt(camera, at, 0.3 + random.next() * 4);
      for (const share of [0.1, 0.5, 0.9]) {
        expectSame(toBoard(between(camera, goal, share), at), toBoard(camera, at));
      }
      expect(isNear(between(camera, goal, 1), goal)).toBe(true);
    }
  });
});

describe("gliding", () => {
  test("many short frames go as far as one long one", () => {
    let shown = { x: 0, y: 0 };
    const target = { x: 1_000, y: -500 };
    for (let i = 0; i < 10; i += 1) shown = glide(shown, target, shareOf(10));
    const once = glide({ x: 0, y: 0 }, target, shareOf(100));
    expect(shown.x).toBeCloseTo(once.x, 6);
    expect(shown.y).toBeCloseTo(once.y, 6);
  });

  test("it ends, at the target itself", () => {
    const target = { x: 300, y: 40 };
    let shown = { x: 0, y: 0 };
    let frames = 0;
    while (shown !== target) {
      shown = glide(shown, target, shareOf(16));
      frames += 1;
      expect(frames).toBeLessThan(60);
    }
  });

  test("nothing glides when motion is unwanted", () => {
    const target = { x: 300, y: 40 };
    expect(glide({ x: 0, y: 0 }, target, 1)).toBe(target);
  });
});

describe("at the edge", () => {
  test("nothing happens in the middle", () => {
    expect(edgeSpeed({ x: 400, y: 300 }, SCREEN)).toEqual({ x: 0, y: 0 });
  });

  test("the window goes where the hand is, faster further out, and to a limit", () => {
    const right = (x: number) => edgeSpeed({ x, y: 300 }, SCREEN).x;
    expect(right(790)).toBeGreaterThan(0);
    expect(right(799)).toBeGreaterThan(right(790));
    expect(right(5_000)).toBe(right(800));
    expect(right(1)).toBe(-right(799));
    expect(edgeSpeed({ x: 400, y: 599 }, SCREEN).y).toBeGreaterThan(0);
    expect(edgeSpeed({ x: 400, y: 1 }, SCREEN).y).toBeLessThan(0);
  });

  test("a narrow window has a middle too", () => {
    expect(edgeSpeed({ x: 20, y: 20 }, { w: 40, h: 40 })).toEqual({ x: 0, y: 0 });
  });
});

test("around holds all boxes", () => {
  expect(around([])).toBeNull();
  expect(
    around([
      { x: 0, y: 10, w: 5, h: 5 },
      { x: -5, y: 12, w: 2, h: 9 },
    ]),
  ).toEqual({ x: -5, y: 10, w: 10, h: 11 });
});
