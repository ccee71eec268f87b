// The frame of the panel, its tabs, and what all tabs share.

export const BASE = `
:host {
  display: block;
  block-size: 26rem;
  min-inline-size: 0;
  overflow: hidden;
}
:host([hidden]) {
  display: none;
}
*,
*::before,
*::after {
  box-sizing: border-box;
}
[hidden] {
  display: none !important;
}
h1, h2, p, ul, ol, dl, dd, figure {
  margin: 0;
  padding: 0;
}
ul, ol {
  list-style: none;
}
h1, h2, th {
  font: inherit;
  font-weight: 600;
}
button, select {
  font: inherit;
  color: inherit;
}
:focus-visible {
  outline: 2px solid var(--accent);
  outline-offset: -2px;
  border-radius: var(--radius);
}

.devtools {
  /* What the page says of this element stays outside, and what all elements inherit. */
  all: initial;
  color-scheme: inherit;
  display: grid;
  grid-template: auto auto minmax(0, 1fr) / minmax(0, 1fr);
  block-size: 100%;
  background: var(--bg);
  color: var(--ink);
  font: 400 var(--text-m) / 1.5 var(--sans);
  font-variant-numeric: tabular-nums;
  container: devtools / inline-size;
}
.head {
  display: flex;
  align-items: center;
  gap: var(--space-2);
  min-block-size: 2.5rem;
  padding: var(--space-1) var(--space-3);
}
.head h1 {
  flex: 1;
  min-inline-size: 0;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
  unicode-bidi: isolate;
}
.pill {
  display: inline-flex;
  align-items: center;
  gap: 0.375rem;
  padding: 0.0625rem var(--space-2);
  border-radius: 1rem;
  background: var(--hover);
  color: var(--ink-2);
  font-size: var(--text-s);
  white-space: nowrap;
}
.pill::before {
  content: "";
  inline-size: 0.4375rem;
  block-size: 0.4375rem;
  border-radius: 50%;
  background: currentColor;
}
.pill[data-mood="good"] {
  background: var(--good-soft);
  color: var(--good);
}
.pill[data-mood="warn"] {
  background: var(--warn-soft);
  color: var(--warn);
}
.pill[data-mood="bad"] {
  background: var(--bad-soft);
  color: var(--bad);
}
:host(:not([closable])) .close {
  display: none;
}

.tabs {
  display: flex;
  gap: var(--space-1);
  padding: 0 var(--space-2);
  border-block-end: 1px solid var(--line);
}
.tab {
  position: relative;
  min-block-size: 2.125rem;
  padding: 0 var(--space-2);
  border: 0;
  background: none;
  color: var(--ink-2);
  font-weight: 500;
  cursor: pointer;
  transition: color 120ms;
}
.tab:hover {
  color: var(--ink);
}
.tab::after {
  content: "";
  position: absolute;
  inset: auto var(--space-2) -1px;
  block-size: 2px;
  border-radius: 1px;
  background: transparent;
  transition: background-color 120ms;
}
.tab[aria-selected="true"] {
  color: var(--accent);
}
.tab[aria-selected="true"]::after {
  background: var(--accent);
}

.panel {
  min-block-size: 0;
  padding: var(--space-3);
  overflow: auto;
  overscroll-behavior: contain;
}
.panel.whole {
  padding: 0;
  overflow: hidden;
}
section + section, .facts + section {
  margin-block-start: var(--space-4);
}
h2 {
  margin-block-end: var(--space-2);
  color: var(--ink-2);
  font-size: var(--text-s);
}
.columns {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr));
  gap: var(--space-4) 2rem;
}
.columns > section {
  min-inline-size: 0;
  margin: 0;
  overflow-x: auto;
}
.hint, .empty {
  color: var(--ink-3);
}
.hint {
  padding: var(--space-2) 0;
}
.count {
  color: var(--ink-3);
  font-size: var(--text-s);
}
.count + * {
  margin-block-start: var(--space-1);
}
.button, select {
  min-block-size: 1.75rem;
  padding: 0 var(--space-2);
  border: 1px solid var(--line-strong);
  border-radius: var(--radius);
  background: var(--raised);
  font-size: var(--text-s);
  cursor: pointer;
}
.button:hover:not(:disabled), select:hover {
  background: var(--hover);
}
.button:disabled {
  color: var(--ink-3);
  border-color: var(--line);
  cursor: default;
}
.button[aria-pressed="true"] {
  border-color: var(--accent);
  background: var(--accent-soft);
  color: var(--accent);
}
.toolbar {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: var(--space-2);
  margin-block-start: var(--space-2);
}
.spoken {
  position: absolute;
  inline-size: 1px;
  block-size: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

.facts {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr));
  gap: var(--space-1) 2rem;
}
.facts > div {
  display: grid;
  grid-template-columns: 7rem minmax(0, 1fr);
  gap: var(--space-2);
}
.facts dt {
  color: var(--ink-3);
}
.facts dd {
  overflow-wrap: anywhere;
  unicode-bidi: isolate;
}
[data-mood="good"] {
  color: var(--good);
}
[data-mood="warn"] {
  color: var(--warn);
}
[data-mood="bad"] {
  color: var(--bad);
}

@container devtools (max-width: 27rem) {
  .tabs {
    display: grid;
    grid-template-columns: repeat(3, 1fr);
  }
}
@media (prefers-reduced-motion: reduce) {
  * {
    transition: none !important;
    scroll-behavior: auto !important;
  }
}
`;
