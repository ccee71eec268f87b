/** The map of the package, in reading order: the provider, what hooks read, and components that are ready to be styled. @module @roomtone/react */

export { AvatarStack, type AvatarStackProps, FACES_COUNT_MAX } from "./avatar-stack.js";
export { Chat, type ChatLabels, type ChatProps } from "./chat.js";
export { useDoc, usePresence, useRoom } from "./context.js";
export { Cursors, type CursorsProps } from "./cursors.js";
export { type Source, useArray, useMap, useText } from "./document.js";
export { useMyPresence, useOthers, useUpdatePresence } from "./people.js";
export { NAMELESS, type NameOf, type Person } from "./person.js";
export { RoomProvider, type RoomProviderProps } from "./provider.js";
export type { AppPresence, Register } from "./register.js";
export { useRefusal, useRole, useSaved, useStatus, useSynced, useUser } from "./room-state.js";
export { ANNOUNCE_MS, SavedIndicator, type SavedIndicatorProps } from "./saved-indicator.js";
export { RoomRefusedError, useSuspenseSynced } from "./suspense.js";
export { CAPTURE_MS, type SharedType, type Undo, type UndoOptions, useUndo } from "./undo.js";
export { type ChatState, useChat, useReplies, useTyping } from "./use-chat.js";
