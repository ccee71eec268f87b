// Trees and graphs.

export const DRAWINGS = `
.tree .tree {
  margin-inline-start: 0.4375rem;
  padding-inline-start: 0.75rem;
  border-inline-start: 1px solid var(--line);
}
.node {
  display: flex;
  align-items: baseline;
  gap: var(--space-2);
  min-block-size: 1.5rem;
  font: 400 var(--text-s) / 1.5rem var(--mono);
}
summary {
  list-style: none;
  cursor: pointer;
}
summary::-webkit-details-marker {
  display: none;
}
summary.node::before, summary.person::before {
  content: "▸";
  flex: none;
  inline-size: 0.625rem;
  color: var(--ink-3);
  font-size: 0.625rem;
  text-align: center;
}
summary.person {
  position: relative;
  padding-inline-start: 1rem;
}
summary.person::before {
  position: absolute;
  inset-inline-start: 0;
}
details[open] > summary::before {
  content: "▾";
}
div.node {
  padding-inline-start: 1.125rem;
}
summary.node:hover {
  background: var(--hover);
  border-radius: var(--radius);
}
.label {
  flex: none;
  max-inline-size: 50%;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
  unicode-bidi: isolate;
}
.kind {
  flex: none;
  padding: 0 0.3125rem;
  border-radius: 0.25rem;
  background: var(--hover);
  color: var(--ink-2);
  font: 400 0.6875rem / 1.125rem var(--sans);
  white-space: nowrap;
}
.kind:empty {
  display: none;
}
.value {
  min-inline-size: 0;
  overflow-wrap: anywhere;
  unicode-bidi: isolate;
}
summary > .value {
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}
.value[data-tone="string"] {
  color: var(--string);
}
.value[data-tone="number"] {
  color: var(--number);
}
.value[data-tone="literal"] {
  color: var(--literal);
}
.value[data-tone="note"] {
  color: var(--ink-3);
}
.more {
  margin-inline-start: 1.125rem;
  padding: 0 var(--space-1);
  border: 0;
  background: none;
  color: var(--accent);
  font: 400 var(--text-s) / 1.5rem var(--sans);
  cursor: pointer;
}
.more:hover {
  text-decoration: underline;
}
.tree > .empty {
  padding-inline-start: 1.125rem;
  font-size: var(--text-s);
}

.graph {
  display: block;
  inline-size: 100%;
  block-size: 8rem;
  border-radius: var(--radius);
  background: var(--raised);
  overflow: visible;
}
.top, figcaption {
  color: var(--ink-3);
  font-size: var(--text-s);
}
.top {
  display: block;
}
figcaption {
  display: flex;
  justify-content: space-between;
  min-block-size: 1.25rem;
}
.graph path {
  fill: none;
  stroke-width: 1.5px;
  stroke-linejoin: round;
  stroke-linecap: round;
}
.graph .grid {
  stroke: var(--line);
  stroke-width: 1px;
}
.graph .level {
  stroke: var(--ink-3);
  stroke-width: 1px;
  stroke-dasharray: 2 3;
}
.graph .dots {
  stroke-width: 5px;
}
.graph .line {
  opacity: 0.45;
}
.graph .saved {
  stroke: var(--accent);
}
.graph .ping {
  stroke: var(--up);
}
.graph .hello {
  stroke: var(--warn);
}
.graph .bars {
  stroke: none;
}
.graph .bars.up {
  fill: var(--up);
}
.graph .bars.down {
  fill: var(--down);
}
.key {
  display: inline-block;
  inline-size: 0.5rem;
  block-size: 0.5rem;
  margin-inline-end: 0.375rem;
  border-radius: 50%;
}
.key.saved {
  background: var(--accent);
}
.key.ping {
  background: var(--up);
}
.key.hello {
  background: var(--warn);
}
`;
