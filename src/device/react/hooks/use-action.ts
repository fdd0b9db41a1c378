import { useCallback, useEffect, useRef } from 'react';
import { useStateOfUser } from './use-state-of-user.ts';

export interface Actions<Name extends string> {
  /** What is under way; null when nothing is. */
  readonly busy: Name | null;
  /** Why the last action failed; null as soon as another begins. */
  readonly error: Error | null;
  readonly clearError: () => void;
  /** Does it and says whether it went well. Never rejects. */
  readonly run: (name: Name, work: () => Promise<unknown>) => Promise<boolean>;
}

interface State<Name> {
  readonly busy: Name | null;
  readonly error: Error | null;
}

const IDLE = { busy: null, error: null };

/** Runs what the user asks for, and holds what a component shows of it: that it is under way, and why it failed. */
export function useAction<Name extends string = string>(): Actions<Name> {
  const [state, setState] = useStateOfUser<State<Name>>(IDLE);
  const mounted = useRef(false);
  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  const run = useCallback(
    async (name: Name, work: () => Promise<unknown>): Promise<boolean> => {
      const show = (next: State<Name>): void => {
        if (mounted.current) setState(() => next);
      };
      show({ busy: name, error: null });
      try {
        await work();
        show({ busy: null, error: null });
        return true;
      } catch (error) {
        show({ busy: null, error: asError(error) });
        return false;
      }
    },
    [setState],
  );
  const clearError = useCallback(() => setState((state) => ({ ...state, error: null })), [setState]);
  return { ...state, run, clearError };
}

/** Whatever was thrown, as an `Error`. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
