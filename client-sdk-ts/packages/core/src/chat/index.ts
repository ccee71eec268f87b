/** The map of the chat, in reading order: the chat of a room, its messages, who is typing, and what can go wrong. @module @roomtone/core/chat */

export {
  Chat,
  type ChatHost,
  type ChatOptions,
  type ChatStatus,
  chat,
  PAGE_COUNT,
  type PostOptions,
} from "./chat.js";
export { ChatError, type ChatErrorCode } from "./error.js";
export type { ChatMessage, Reaction } from "./message.js";
export { EMOJI_BYTES_MAX, MENTIONS_COUNT_MAX, TEXT_LENGTH_MAX } from "./text.js";
export { TYPING_EVERY_MS, TYPING_IDLE_MS, TYPING_MS_MAX, type Typist } from "./typing.js";
