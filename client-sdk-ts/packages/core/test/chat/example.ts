// The example of docs/chat.md, here so that it is compiled. It is not run.

import type { Room } from "@roomtone/core";
import { ChatError, type ChatMessage, chat } from "@roomtone/core/chat";

declare const room: Room;
declare const field: HTMLInputElement;
declare function show(messages: readonly ChatMessage[], unread: number): void;
declare function showThread(messages: readonly ChatMessage[]): void;
declare function showTyping(names: readonly string[]): void;
declare function say(text: string): void;

// The rest stands in the documentation.

const talk = chat(room);
const unsubscribe = talk.subscribe(() => {
  show(talk.messages, talk.unreadCount); // text, never markup
  showTyping(talk.typists.map(({ name }) => name));
});

field.oninput = () => talk.typing();
field.onchange = () => {
  try {
    talk.post(field.value, { mentions: ["bob"] }); // shown at once, sent once
  } catch (error) {
    if (error instanceof ChatError) say(error.hint); // empty, or too long
  }
};

talk.post("I think so too", { thread: 7 }); // a reply to message 7
showThread(talk.replies(7));
await talk.loadReplies(7); // also those that are older than the list

await talk.edit(9, "I know so");
await talk.react(7, "👍");
await talk.remove(9);

talk.markRead(); // up to the last message, on all devices of this user
if (talk.hasOlder) await talk.loadOlder();

for (const { id, state, error } of talk.messages) {
  if (state !== "failed") continue;
  say(error?.hint ?? "");
  talk.retry(id); // or talk.discard(id)
}

// At the end:
unsubscribe();
talk.destroy();
