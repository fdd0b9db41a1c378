import type { ClientContext } from './client-context.ts';
import { isOffline, PushClientError } from './push-client-error.ts';

interface Action {
  readonly userId: string;
  readonly name: string;
  readonly args: unknown[];
}

/** What users do while offline, kept until it can be done. */
export interface OfflineActions {
  /**
   * Makes an action of what can be done again later. Called, it says whether it was done (true) or kept for later (false).
   * Only being offline keeps it; what the project refuses rejects as usual.
   */
  define<A extends unknown[]>(
    name: string,
    run: (...args: A) => Promise<unknown>,
  ): (...args: A) => Promise<boolean>;
  /** Does what was kept, in its order; what is refused now is reported and forgotten. Rejects when still offline. */
  replay(): Promise<void>;
  /** Who is signed in, as far as this page was told. */
  userId: string | null;
}

/** Keeps actions in the store of this browser, each for the user who did it. */
export function createOfflineActions(context: ClientContext): OfflineActions {
  const handlers = new Map<string, (...args: never[]) => Promise<unknown>>();

  const replay = async (): Promise<void> => {
    const store = await context.store();
    const kept = (await store.all('actions')) as { id: number; value: Action }[];
    if (kept.length === 0) return;
    const userId = await context.project.userId();
    for (const { id, value } of kept) {
      if (hasUserChanged(userId)) return;
      if (value.userId !== userId) continue;
      try {
        await handlers.get(value.name)?.(...(value.args as never[]));
      } catch (error) {
        if (isOffline(error)) throw error;
        context.report(error);
      }
      await store.remove('actions', [id]);
    }
  };

  /** Whether another user is signed in by now. */
  const hasUserChanged = (before: string | null): boolean =>
    !!before && !!actions.userId && actions.userId !== before;

  // A session that ran out cannot be renewed offline: then it is the user the device is registered for.
  const readUserId = async (): Promise<string | null | undefined> =>
    actions.userId ??
    (await context.project.userId().catch(async () => await (await context.store()).get('user_id')));

  const actions: OfflineActions = {
    userId: null,
    replay: () => context.withLock('actions', replay),
    define(name, run) {
      handlers.set(name, run as never);
      return (...args) => {
        const userAtCall = actions.userId;
        return context.withLock('actions', async () => {
          try {
            // What was done before comes first.
            await replay();
            // It has waited for its turn, and the user who is signed in now did not ask for it.
            if (hasUserChanged(userAtCall)) throw new PushClientError('not_signed_in');
            await run(...args);
            return true;
          } catch (error) {
            const userId = isOffline(error) && (userAtCall ?? (await readUserId()));
            if (!userId) throw error;
            await (await context.store()).add('actions', { userId, name, args } satisfies Action);
            return false;
          }
        });
      };
    },
  };
  return actions;
}
