// Who sits at this browser: a name and a colour that stay the same from visit to visit.

import { cleanName } from "@roomtone/core/presence";
import { PALETTE } from "./person.js";
import { recall, remember } from "./storage.js";

export interface Identity {
  /** What this browser is called where nobody asks for a token. */
  readonly guest: string;
  readonly name: string;
  readonly color: string;
}

const TONES = [
  "Amber",
  "Calm",
  "Clear",
  "Early",
  "Gentle",
  "Golden",
  "Late",
  "Mellow",
  "Quiet",
  "Silver",
  "Soft",
  "Warm",
];
const BIRDS = [
  "Avocet",
  "Curlew",
  "Dipper",
  "Finch",
  "Heron",
  "Kestrel",
  "Lark",
  "Linnet",
  "Plover",
  "Swift",
  "Thrush",
  "Wren",
];
const PLACES = [
  "attic",
  "balcony",
  "cabin",
  "cellar",
  "chapel",
  "gallery",
  "harbour",
  "kitchen",
  "library",
  "orchard",
  "studio",
  "terrace",
];

export function randomName(): string {
  return `${pick(TONES)} ${pick(BIRDS)}`;
}

export function randomRoom(): string {
  return `${pick(TONES).toLowerCase()}-${pick(PLACES)}-${100 + Math.floor(Math.random() * 900)}`;
}

/** The name of the last visit, or a new one. */
export function rememberedName(): string {
  return cleanName(recall("name")) || randomName();
}

export function identity(name: string): Identity {
  remember("name", name);
  const known = PALETTE.find((color) => color === recall("color"));
  const color = known ?? pick(PALETTE);
  remember("color", color);
  const guest = recall("guest") ?? randomId();
  remember("guest", guest);
  return { guest, name, color };
}

/** 128 bits, on insecure addresses too. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pick<T>(choices: readonly T[]): T {
  return choices[Math.floor(Math.random() * choices.length)] as T;
}
