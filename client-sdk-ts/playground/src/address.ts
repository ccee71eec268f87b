// The address bar: which room, whose name, which token. `?room=…` and `#room=…` mean the same.

import { cleanName } from "@roomtone/core/presence";

export interface Address {
  readonly room: string;
  readonly name: string;
  readonly token: string;
}

/** Letters of a room's name. The server takes 512 bytes. */
export const ROOM_LENGTH_MAX = 80;

export function readAddress(): Address {
  const query = new URLSearchParams(location.search);
  const hash = new URLSearchParams(location.hash.slice(1));
  const get = (key: string) => query.get(key) ?? hash.get(key) ?? "";
  return { room: cleanRoom(get("room")), name: cleanName(get("name")), token: get("token") };
}

export function cleanRoom(room: string): string {
  const text = room.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "").trim();
  return [...text].slice(0, ROOM_LENGTH_MAX).join("");
}

/** Shows the room in the address bar. The token stays, because a reload needs it. */
export function showRoom(room: string): void {
  const url = pageUrl();
  url.searchParams.set("room", room);
  const { token } = readAddress();
  if (token !== "") url.searchParams.set("token", token);
  if (url.href !== location.href) history.pushState(null, "", url);
}

export function showStart(): void {
  history.pushState(null, "", pageUrl());
}

/** What to send to others: the room, and neither one's name nor one's token. */
export function shareLink(room: string): string {
  const url = pageUrl();
  url.searchParams.set("room", room);
  return url.href;
}

/** Where the server is: this page's folder. */
export function serverUrl(): string {
  return new URL(".", pageUrl()).href;
}

function pageUrl(): URL {
  return new URL(location.pathname, location.origin);
}
