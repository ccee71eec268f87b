// A piece of a note's paper, to choose its colour by.

import { drawing } from "../element.js";
import type { NoteColor } from "./note.js";

export function swatch(color: NoteColor): SVGSVGElement {
  const svg = drawing("M5 7a2 2 0 0 1 2-2h10a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2z");
  svg.classList.add("swatch");
  svg.dataset.color = color;
  return svg;
}
