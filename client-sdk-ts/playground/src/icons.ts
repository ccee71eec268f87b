// The drawings: the mark, and one icon for each thing one can press.

import { drawing } from "./element.js";

/** A room with a calm sound in it. */
export function mark(): SVGSVGElement {
  const svg = drawing("M6 10.5v3", "M9 8.5v7", "M12 6v12", "M15 8.5v7", "M18 10.5v3");
  const wall = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ width: "24", height: "24", rx: "6" })) {
    wall.setAttribute(name, value);
  }
  svg.prepend(wall);
  svg.classList.replace("icon", "mark");
  return svg;
}

export const icons = {
  bold: () => drawing("M7 5h6a3.5 3.5 0 0 1 0 7H7z", "M7 12h7a3.5 3.5 0 0 1 0 7H7z"),
  italic: () => drawing("M11 5h6", "M7 19h6", "M14 5l-4 14"),
  strike: () =>
    drawing(
      "M5 12h14",
      "M16 7.5C15.5 6 14 5 12 5c-2.3 0-4 1.2-4 3.2 0 1 .4 1.8 1 2.3",
      "M8 16c.5 1.8 2 3 4.2 3 2.3 0 4-1.3 4-3.3 0-.6-.1-1-.3-1.5",
    ),
  heading1: () => drawing("M4 6v12", "M12 6v12", "M4 12h8", "M16.5 11l2.5-2v9"),
  heading2: () =>
    drawing(
      "M4 6v12",
      "M12 6v12",
      "M4 12h8",
      "M16 11.2c0-1.3 1-2.2 2.2-2.2s2.3.8 2.3 2.2c0 2.3-4.5 3.3-4.5 6.8h4.5",
    ),
  heading3: () =>
    drawing(
      "M4 6v12",
      "M12 6v12",
      "M4 12h8",
      "M16 9h4.5l-2.6 3.4c1.6 0 2.7 1.1 2.7 2.7S19.4 18 18 18c-1.1 0-1.9-.5-2.3-1.3",
    ),
  bullets: () =>
    drawing("M9.5 6H20", "M9.5 12H20", "M9.5 18H20", "M5 6h.01", "M5 12h.01", "M5 18h.01"),
  numbers: () =>
    drawing(
      "M10 6h10",
      "M10 12h10",
      "M10 18h10",
      "M4.5 5L6 4v5",
      "M4.3 14.6c.2-.8.8-1.2 1.4-1.1.7 0 1.2.6 1.1 1.3-.2 1.3-2.5 2-2.6 4.2H7",
    ),
  quote: () => drawing("M5 6v12", "M10 8h9", "M10 12h9", "M10 16h6"),
  code: () => drawing("M9 7l-5 5 5 5", "M15 7l5 5-5 5"),
  codeBlock: () =>
    drawing(
      "M4 7a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2z",
      "M10 10l-2 2 2 2",
      "M14 10l2 2-2 2",
    ),
  undo: () => drawing("M8 5L4 9l4 4", "M4 9h10a5 5 0 0 1 0 10h-3"),
  redo: () => drawing("M16 5l4 4-4 4", "M20 9H10a5 5 0 0 0 0 10h3"),
  link: () =>
    drawing(
      "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1",
      "M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
    ),
  check: () => drawing("M5 12.5l4.5 4.5L19 7.5"),
  sun: () =>
    drawing(
      "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
      "M12 3v1.5",
      "M12 19.5V21",
      "M3 12h1.5",
      "M19.5 12H21",
      "M5.6 5.6l1.1 1.1",
      "M17.3 17.3l1.1 1.1",
      "M5.6 18.4l1.1-1.1",
      "M17.3 6.7l1.1-1.1",
    ),
  moon: () => drawing("M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z"),
  leave: () => drawing("M14 5H7a2 2 0 0 0-2 2v10a2 2 0 0 0 2 2h7", "M11 12h9", "M17 9l3 3-3 3"),
  shuffle: () =>
    drawing(
      "M4 7h3.5c4.5 0 5 10 9.5 10h3",
      "M4 17h3.5c1.6 0 2.6-1.2 3.4-2.8",
      "M13.6 9.8C14.4 8.2 15.4 7 17 7h3",
      "M18 4.5L20.5 7 18 9.5",
      "M18 14.5l2.5 2.5-2.5 2.5",
    ),
  document: () => drawing("M7 4h7l4 4v12H7z", "M14 4v4h4", "M10 12h5", "M10 16h5"),
  newNote: () =>
    drawing("M19 12V7a2 2 0 0 0-2-2H7a2 2 0 0 0-2 2v10a2 2 0 0 0 2 2h5", "M18 15v6", "M15 18h6"),
  pencil: () => drawing("M5 19l1-4L16 5l3 3L9 18z", "M14 7l3 3"),
  bin: () => drawing("M5 7h14", "M10 7V5h4v2", "M7 7l1 12h8l1-12", "M10.5 10.5v5", "M13.5 10.5v5"),
  plus: () => drawing("M12 6v12", "M6 12h12"),
  minus: () => drawing("M6 12h12"),
  fit: () => drawing("M5 9V5h4", "M15 5h4v4", "M19 15v4h-4", "M9 19H5v-4"),
  network: () =>
    drawing(
      "M4.5 9.5a11 11 0 0 1 15 0",
      "M7.5 12.8a6.6 6.6 0 0 1 9 0",
      "M10.3 16a2.6 2.6 0 0 1 3.4 0",
      "M12 19h.01",
    ),
  chat: () =>
    drawing(
      "M5 6.5A2.5 2.5 0 0 1 7.5 4h9A2.5 2.5 0 0 1 19 6.5v6a2.5 2.5 0 0 1-2.5 2.5H12l-4.5 4v-4A2.5 2.5 0 0 1 5 12.5z",
      "M9 8h6",
      "M9 11h4",
    ),
  send: () => drawing("M12 19V6", "M6.5 11.5L12 6l5.5 5.5"),
  devtools: () => drawing("M4 5h16v14H4z", "M4 9.5h16", "M8 12.5l2 2-2 2", "M12.5 16.5h3.5"),
  smile: () =>
    drawing(
      "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16z",
      "M9 10h.01",
      "M15 10h.01",
      "M8.5 14c1 1.3 2.1 2 3.5 2s2.5-.7 3.5-2",
    ),
  reply: () => drawing("M9 6l-5 5 5 5", "M4 11h9a6 6 0 0 1 6 6v1"),
  back: () => drawing("M14 6l-6 6 6 6"),
  close: () => drawing("M6 6l12 12", "M18 6L6 18"),
};
