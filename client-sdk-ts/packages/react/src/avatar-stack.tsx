// Who is here, as a row of faces.

import { initialsOf } from "@roomtone/core/presence";
import { type CSSProperties, type ReactNode, useCallback, useSyncExternalStore } from "react";
import { usePresence } from "./context.js";
import { useOthers } from "./people.js";
import { type NameOf, type Person, usePersonOf } from "./person.js";

/** Faces that are shown, unless the application wants another number. The rest becomes a number. */
export const FACES_COUNT_MAX = 5;

/** What `AvatarStack` shows, and how. */
export interface AvatarStackProps {
  readonly max?: number;
  /** Whether this user is shown as well, first. */
  readonly includeMe?: boolean;
  readonly nameOf?: NameOf;
  readonly className?: string;
  readonly avatarClassName?: string;
  /** What is shown for one person. Default: their initials. Their name is said to screen readers in either case. */
  readonly renderAvatar?: (person: Person) => ReactNode;
  /** The name of the list. Default: "3 people here". */
  readonly labelOf?: (count: number) => string;
  /** The name of the number at its end. Default: "2 more". */
  readonly moreLabelOf?: (count: number) => string;
}

/** One face for each user, however many tabs they have open; theirs is the custom property `--roomtone-color`. */
export function AvatarStack(props: AvatarStackProps): ReactNode {
  const { max = FACES_COUNT_MAX, includeMe = false, nameOf, className, avatarClassName } = props;
  const { renderAvatar = initials, labelOf = here, moreLabelOf = more } = props;
  const { personOf, nameIn } = usePersonOf(nameOf);
  const others = useOthers((all) => all.map(personOf));
  const me = useMyself(nameIn);
  const people = onePerUser(includeMe ? [me, ...others] : others, me);
  // A number that stands for one face takes as much room as the face.
  const shown = people.length === max + 1 ? people : people.slice(0, max);
  const rest = people.length - shown.length;
  return (
    <ul className={className} aria-label={labelOf(people.length)}>
      {shown.map((person) => (
        <li key={person.userId ?? person.clientId} style={styleOf(person)}>
          <span
            role="img"
            aria-label={person.name}
            title={person.name}
            className={avatarClassName}
            data-myself={person.isMyself || undefined}
          >
            {renderAvatar(person)}
          </span>
        </li>
      ))}
      {rest > 0 && (
        <li>
          <span role="img" aria-label={moreLabelOf(rest)} className={avatarClassName}>
            +{rest}
          </span>
        </li>
      )}
    </ul>
  );
}

function useMyself(nameIn: ReturnType<typeof usePersonOf>["nameIn"]): Person {
  const presence = usePresence();
  const { clientID } = presence.host.awareness;
  const subscribe = useCallback((listener: () => void) => presence.subscribe(listener), [presence]);
  const getName = () => nameIn(clientID, presence.me);
  const name = useSyncExternalStore(subscribe, getName, getName);
  const color = useSyncExternalStore(
    subscribe,
    () => presence.color,
    () => "",
  );
  return { clientId: clientID, userId: null, name, color, isMyself: true };
}

/** Tabs of this user are shown as this user, if at all. */
function onePerUser(people: readonly Person[], me: Person): Person[] {
  const seen = new Set<string>();
  return people.filter((person) => {
    if (person !== me && person.isMyself) return false;
    if (person.userId === null) return true;
    return !seen.has(person.userId) && seen.add(person.userId);
  });
}

/** A server does not know one's own colour yet. */
function styleOf({ color }: Person): CSSProperties | undefined {
  return color === "" ? undefined : ({ "--roomtone-color": color } as CSSProperties);
}

const initials = ({ name }: Person): string => initialsOf(name);
const here = (count: number): string => (count === 1 ? "1 person here" : `${count} people here`);
const more = (count: number): string => `${count} more`;
