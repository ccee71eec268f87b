// The styles, as a sheet that is made by a program: a page's policy (CSP) that forbids styles in its markup lets it in.

import { BASE } from "./base.js";
import { DRAWINGS } from "./drawings.js";
import { LISTS } from "./lists.js";
import { THEME } from "./theme.js";

/** One for all panels of a page. */
let sheet: CSSStyleSheet | null = null;

/** A runtime without such sheets shows the panel plain. */
export function adoptStyles(root: ShadowRoot): void {
  if (!("adoptedStyleSheets" in root)) return;
  if (sheet === null) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(THEME + BASE + LISTS + DRAWINGS);
  }
  root.adoptedStyleSheets = [sheet];
}
