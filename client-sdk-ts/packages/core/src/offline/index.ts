/** The map of offline work, in reading order: a document on this device, the bridge to its room, what can be replaced. @module @roomtone/core/offline */

export { attachOffline, type RoomLike, savedWhere } from "./attach.js";
export type { Channel, Locks, OfflineEnvironment } from "./environment.js";
export { OfflineError, type OfflineErrorCode } from "./error.js";
export {
  DATABASE_NAME,
  type Offline,
  type OfflineEvents,
  type OfflineOptions,
  type OfflineSaved,
  type OfflineState,
  openOffline,
} from "./offline.js";
export type { StaleCopy } from "./stale.js";
