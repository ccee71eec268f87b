// The values everything is made of: two themes, one scale of type, one of space.

/** Contrast of text on its ground is 4.5 or more in both. */
const LIGHT = {
  bg: "#faf9f6",
  raised: "#ffffff",
  hover: "#efede6",
  line: "#e3e0d7",
  "line-strong": "#c8c4b8",
  ink: "#1c1d1a",
  "ink-2": "#55564e",
  "ink-3": "#6c6c62",
  accent: "#0f6b62",
  "accent-soft": "#dcebe6",
  good: "#0f6b62",
  "good-soft": "#dcebe6",
  warn: "#8a4b00",
  "warn-soft": "#f9ead0",
  bad: "#b42318",
  "bad-soft": "#fbe4e0",
  up: "#1d56a8",
  down: "#7a2e8f",
  string: "#1f6b3a",
  number: "#9a4a00",
  literal: "#1d56a8",
};

const DARK: typeof LIGHT = {
  bg: "#141816",
  raised: "#1c211f",
  hover: "#262c29",
  line: "#2a302d",
  "line-strong": "#46504b",
  ink: "#ecece5",
  "ink-2": "#b4b7ad",
  "ink-3": "#93978d",
  accent: "#74d3c1",
  "accent-soft": "#1c3430",
  good: "#74d3c1",
  "good-soft": "#1c3430",
  warn: "#f2bd6b",
  "warn-soft": "#34290f",
  bad: "#ff9b8c",
  "bad-soft": "#3c1d18",
  up: "#8fbcff",
  down: "#d6a2f0",
  string: "#9bd6a3",
  number: "#f2bd6b",
  literal: "#8fbcff",
};

function declarations(theme: typeof LIGHT, scheme: string): string {
  const colors = Object.entries(theme).map(([name, value]) => `--${name}: ${value};`);
  return `color-scheme: ${scheme}; ${colors.join(" ")}`;
}

export const THEME = `
:host {
  --sans: ui-sans-serif, system-ui, sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  --text-s: 0.75rem;
  --text-m: 0.8125rem;
  --space-1: 0.25rem;
  --space-2: 0.5rem;
  --space-3: 0.75rem;
  --space-4: 1rem;
  --radius: 0.375rem;
  ${declarations(LIGHT, "light")}
}
@media (prefers-color-scheme: dark) {
  :host(:not([theme="light"])) {
    ${declarations(DARK, "dark")}
  }
}
:host([theme="dark"]) {
  ${declarations(DARK, "dark")}
}
`;
