// The provider: a room for everything below it.

import type { Environment, Room, RoomOptions } from "@roomtone/core";
import type { PresenceOptions } from "@roomtone/core/presence";
import { type ReactNode, Suspense, useEffect, useState, useSyncExternalStore } from "react";
import { ScopeContext } from "./context.js";
import type { AppPresence } from "./register.js";
import { ScopeKeeper, type ScopeOptions } from "./scope.js";

interface SharedProps {
  /** What this client shows from the beginning, and how it reads others. Read once. */
  readonly presence?: PresenceOptions<AppPresence>;
  /** Is told what callbacks throw. Default: the console. */
  readonly onError?: (error: unknown) => void;
  /** Timers, and for a room of its own all else that `Room` takes from the outside. Read once. */
  readonly environment?: Partial<Environment>;
  /** Shown while something below waits for the room. Without it the nearest `<Suspense>` is asked. */
  readonly fallback?: ReactNode;
  readonly children?: ReactNode;
}

/** A room of its own: made, entered and left by the provider. Another `url` or `name` is another room. */
type OwnRoomProps = SharedProps & RoomOptions & { readonly room?: undefined };

/** A room that you have made, and that you destroy. */
type GivenRoomProps = SharedProps & { readonly room: Room };

/** A room of its own (`url`, `name` and whatever else `Room` takes), or yours (`room`). */
export type RoomProviderProps = OwnRoomProps | GivenRoomProps;

/**
 * The room for everything below. One of its own is entered when the provider is mounted and left when it is gone; yours is
 * neither connected nor destroyed.
 */
export function RoomProvider(props: RoomProviderProps): ReactNode {
  // What is below belongs to one room: in another it starts anew.
  return <KeyedProvider key={keyOf(props)} {...props} />;
}

function KeyedProvider(props: RoomProviderProps): ReactNode {
  const { children, fallback } = props;
  const [keeper] = useState(() => new ScopeKeeper(optionsOf(props)));
  useEffect(() => {
    keeper.options = optionsOf(props);
  });
  useEffect(() => keeper.hold(), [keeper]);
  const scope = useSyncExternalStore(keeper.subscribe, keeper.get, keeper.get);
  return (
    <ScopeContext.Provider value={scope}>
      {fallback === undefined ? children : <Suspense fallback={fallback}>{children}</Suspense>}
    </ScopeContext.Provider>
  );
}

function optionsOf(props: RoomProviderProps): ScopeOptions {
  const { room, presence, onError, children: _, fallback: __, ...options } = props;
  const shared = { presence, onError, environment: options.environment };
  return room === undefined ? { options: options as RoomOptions, ...shared } : { room, ...shared };
}

const keys = new WeakMap<Room, string>();
let nextKey = 0;

function keyOf(props: RoomProviderProps): string {
  if (props.room === undefined) return JSON.stringify([props.url, props.name]);
  const key = keys.get(props.room) ?? `room ${nextKey++}`;
  keys.set(props.room, key);
  return key;
}
