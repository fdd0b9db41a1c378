import { useCallback, useMemo, useState } from 'react';
import { usePushContext } from '../push-provider.tsx';

/** The user a state belongs to: work begun for one user must not change the state of another. */
export interface Owner {
  readonly userChanges: number;
  /** How often something was asked for this user: only the answer to the newest question counts. */
  requests: number;
}

/**
 * State that belongs to the user who is signed in. As soon as that is another one it is `initial` again, in that very
 * render; what sets it late, for the user before, changes nothing.
 *
 * @param initial the same at every render
 */
export function useStateOfUser<S>(
  initial: S,
): [state: S, setState: (change: (state: S) => S) => void, owner: Owner] {
  const { userChanges } = usePushContext();
  const owner = useMemo<Owner>(() => ({ userChanges, requests: 0 }), [userChanges]);
  const [held, setHeld] = useState({ userChanges, state: initial });
  const setState = useCallback(
    (change: (state: S) => S) =>
      setHeld((held) =>
        held.userChanges > userChanges
          ? held
          : { userChanges, state: change(held.userChanges === userChanges ? held.state : initial) },
      ),
    [userChanges, initial],
  );
  return [held.userChanges === userChanges ? held.state : initial, setState, owner];
}
