// The types of the application, told once for all hooks.

/**
 * Declare the presence of your application here:
 *
 *     declare module "@roomtone/react" {
 *       interface Register { presence: { name: string; cursor?: Point | null } }
 *     }
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications fill it
export interface Register {}

/** What people show each other, as the application has declared it. */
export type AppPresence = Register extends { presence: infer Shown extends object }
  ? Shown
  : Record<string, unknown>;
