// The log, the messages, the people and the tables of numbers.

export const LISTS = `
.log {
  display: grid;
  grid-template-columns: auto auto minmax(0, 1fr);
  gap: var(--space-1) var(--space-3);
  font-size: var(--text-s);
}
.log li {
  display: grid;
  grid-template-columns: subgrid;
  grid-column: 1 / -1;
}
.log time, .log-source {
  color: var(--ink-3);
  white-space: nowrap;
}
.log time {
  font-family: var(--mono);
}
.log-source {
  max-inline-size: 14rem;
  overflow: hidden;
  text-overflow: ellipsis;
}
.log-text {
  overflow-wrap: anywhere;
  unicode-bidi: isolate;
}

.messages-view {
  display: grid;
  grid-template: auto minmax(0, 1fr) / minmax(0, 1fr);
  block-size: 100%;
}
.messages-view > .hint {
  grid-row: 2;
  padding: var(--space-3);
}
.messages-view .toolbar {
  margin: 0;
  padding: var(--space-2) var(--space-3);
}
.messages-view .toolbar .count {
  margin-inline-start: auto;
}
.split {
  display: grid;
  grid-row: 2;
  grid-template: minmax(0, 1fr) / minmax(0, 1fr);
  min-block-size: 0;
}
.split:has(.detail:not([hidden])) {
  grid-template-columns: minmax(0, 1.4fr) minmax(0, 1fr);
}
.scroller {
  min-block-size: 0;
  overflow: auto;
  overscroll-behavior: contain;
}
table {
  inline-size: 100%;
  border-collapse: collapse;
  font-size: var(--text-s);
}
th, td {
  padding: 0.125rem var(--space-2);
  text-align: start;
  white-space: nowrap;
}
th:first-child, td:first-child {
  padding-inline-start: var(--space-3);
}
thead th {
  color: var(--ink-3);
  font-weight: 500;
}
.messages thead th {
  position: sticky;
  inset-block-start: 0;
  background: var(--bg);
  box-shadow: inset 0 -1px var(--line);
}
.messages tbody tr {
  cursor: pointer;
}
.messages tbody tr:hover {
  background: var(--hover);
}
.messages tbody tr[aria-selected="true"] {
  background: var(--accent-soft);
}
.messages tbody tr[data-mood="bad"] .type, .messages tbody tr[data-mood="bad"] .summary {
  color: var(--bad);
}
.messages td.time, .messages td.type {
  font-family: var(--mono);
}
.messages .time, .messages .channel, .messages .size {
  color: var(--ink-3);
}
.messages .channel, .messages .size, .clock {
  text-align: end;
}
.messages .direction {
  padding-inline: var(--space-1);
  font-weight: 600;
}
.messages [data-direction="up"] .direction {
  color: var(--up);
}
.messages [data-direction="down"] .direction {
  color: var(--down);
}
.messages .summary {
  inline-size: 100%;
  max-inline-size: 0;
  overflow: hidden;
  color: var(--ink-2);
  text-overflow: ellipsis;
  unicode-bidi: isolate;
}
.messages .gap {
  cursor: default;
}
.messages .gap td {
  color: var(--ink-3);
  text-align: center;
}
.detail {
  margin: 0;
  padding: var(--space-3);
  border-inline-start: 1px solid var(--line);
  overflow: auto;
  overscroll-behavior: contain;
}
.detail header {
  display: flex;
  align-items: center;
  justify-content: space-between;
  margin-block-end: var(--space-2);
}
.detail h2 {
  margin: 0;
  color: var(--ink);
  font: 600 var(--text-m) / 1.5 var(--mono);
}
.detail .facts {
  margin-block-end: var(--space-2);
  padding-block-end: var(--space-2);
  border-block-end: 1px solid var(--line);
  font-size: var(--text-s);
}
.detail .facts > div {
  grid-template-columns: 5rem minmax(0, 1fr);
}

.people > li {
  border-block-start: 1px solid var(--line);
}
summary.person {
  display: grid;
  grid-template-columns: auto minmax(0, 1fr) 7rem 6.5rem 5rem;
  align-items: center;
  gap: var(--space-2);
  min-block-size: 2.125rem;
  cursor: pointer;
}
summary.person:hover {
  background: var(--hover);
}
.people > li > details > .tree {
  padding: 0 0 var(--space-2) 1.125rem;
}
.swatch {
  inline-size: 0.625rem;
  block-size: 0.625rem;
  border-radius: 50%;
  background: var(--line-strong);
}
.person-who {
  display: flex;
  align-items: center;
  gap: var(--space-2);
  min-inline-size: 0;
}
.person-name {
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
  unicode-bidi: isolate;
  font-weight: 600;
}
.person-client, .person-clock, .person-age {
  color: var(--ink-3);
  font-size: var(--text-s);
  text-align: end;
  white-space: nowrap;
}

.clocks th, .clocks td {
  padding: 0.1875rem var(--space-2) 0.1875rem 0;
}
.clocks tbody tr {
  border-block-start: 1px solid var(--line);
}
.clocks th {
  white-space: normal;
}
.clocks tbody th {
  font-weight: 400;
}
.clocks th:last-child, .clocks td:last-child {
  padding-inline-end: 0;
}
.clocks th .kind {
  display: inline-block;
  margin-inline-start: var(--space-1);
}

@container devtools (max-width: 36rem) {
  .messages .channel {
    display: none;
  }
  .split:has(.detail:not([hidden])) {
    grid-template-rows: minmax(0, 1fr) minmax(0, 1fr);
    grid-template-columns: minmax(0, 1fr);
  }
  .detail {
    border-inline-start: 0;
    border-block-start: 1px solid var(--line);
  }
  summary.person {
    grid-template-columns: auto minmax(0, 1fr) auto 5rem;
  }
  .person-client {
    display: none;
  }
}
@container devtools (max-width: 27rem) {
  .log {
    grid-template-columns: auto minmax(0, 1fr);
  }
  .log-source {
    justify-self: end;
  }
  .log-text {
    grid-column: 1 / -1;
    padding-block-end: var(--space-1);
  }
  .messages .size {
    display: none;
  }
  .clocks th, .clocks td {
    padding-inline-end: var(--space-1);
  }
}
`;
