// Where the others point, each as an arrow with a name that glides from place to place.

import { h } from "../element.js";
import type { Roster } from "../roster.js";
import { toScreen } from "./camera.js";
import type { Point } from "./geometry.js";
import { glide } from "./glide.js";
import type { Frame, Layer } from "./stage.js";

/** Cursors that carry their name. In a crowd the others are arrows alone, or nobody could read anything. */
export const NAMES_COUNT_MAX = 24;
/** How far outside of the window a cursor is still drawn: its name may reach in. */
const OUTSIDE_PX = 160;

interface Cursor {
  readonly element: HTMLElement;
  readonly label: HTMLElement;
  /** On the board. */
  shown: Point;
  target: Point;
  isInView: boolean;
  /** Whether it is drawn where it is. */
  isDrawn: boolean;
}

export class Cursors implements Layer {
  readonly #overlay: HTMLElement;
  readonly #roster: Roster;
  readonly #cursors = new Map<number, Cursor>();

  constructor(overlay: HTMLElement, roster: Roster) {
    this.#overlay = overlay;
    this.#roster = roster;
  }

  /** Somebody points there, or nowhere. Says whether there is anything to draw. */
  point(clientID: number, at: Point | null): boolean {
    if (at === null) return this.#remove(clientID);
    const cursor = this.#cursors.get(clientID);
    if (cursor === undefined) {
      this.#add(clientID, at);
      return true;
    }
    if (cursor.target.x === at.x && cursor.target.y === at.y) return false;
    cursor.target = at;
    cursor.isDrawn = false;
    return true;
  }

  /** Names and colours may have changed. */
  showPeople(): void {
    for (const [clientID, cursor] of this.#cursors) this.#dress(clientID, cursor);
  }

  paint({ camera, isCameraNew, size, share }: Frame): boolean {
    let isMoving = false;
    for (const cursor of this.#cursors.values()) {
      if (cursor.isDrawn && !isCameraNew) continue;
      cursor.shown = glide(cursor.shown, cursor.target, share);
      cursor.isDrawn = cursor.shown === cursor.target;
      isMoving ||= !cursor.isDrawn;
      const { x, y } = toScreen(camera, cursor.shown);
      const isInView =
        x > -OUTSIDE_PX && y > -OUTSIDE_PX && x < size.w + OUTSIDE_PX && y < size.h + OUTSIDE_PX;
      if (isInView !== cursor.isInView) {
        cursor.isInView = isInView;
        cursor.element.style.visibility = isInView ? "visible" : "hidden";
      }
      if (isInView) cursor.element.style.transform = `translate(${x}px, ${y}px)`;
    }
    return isMoving;
  }

  #add(clientID: number, at: Point): void {
    const label = h("span", { class: "cursor-name" });
    const element = h("div", { class: "cursor", "data-testid": "cursor" }, arrow(), label);
    this.#overlay.append(element);
    const cursor = { element, label, shown: at, target: at, isInView: true, isDrawn: false };
    label.hidden = this.#cursors.size >= NAMES_COUNT_MAX;
    this.#cursors.set(clientID, cursor);
    this.#dress(clientID, cursor);
  }

  #remove(clientID: number): boolean {
    const cursor = this.#cursors.get(clientID);
    if (cursor === undefined) return false;
    cursor.element.remove();
    this.#cursors.delete(clientID);
    this.#showNames();
    return true;
  }

  #dress(clientID: number, { element, label }: Cursor): void {
    const { name, color } = this.#roster.member(clientID) ?? { name: "", color: "" };
    if (label.textContent !== name) label.textContent = name;
    element.style.setProperty("--person", color);
  }

  /** Those who came first keep their names, so that none flickers. */
  #showNames(): void {
    let left = NAMES_COUNT_MAX;
    for (const { label } of this.#cursors.values()) {
      label.hidden = left <= 0;
      left -= 1;
    }
  }
}

function arrow(): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 18 20");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M1.5 1.5l14 7.2-6.4 1.9-3.1 6z");
  svg.append(path);
  return svg;
}
