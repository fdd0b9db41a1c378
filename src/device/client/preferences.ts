import { clockZone, localTimeZone } from '../shared/time-zone.ts';
import type { ClientContext } from './client-context.ts';
import type { OfflineActions } from './offline-actions.ts';
import type { Category, DevicePreferences, Preferences, PushPreferences } from './push-client.ts';
import { hasCode, PushClientError } from './push-client-error.ts';
import { columnOf, fromRow, toRow } from './rows.ts';

const DEVICE_DEFAULTS: DevicePreferences = {
  enabled: null,
  timezone: null,
  quietFrom: null,
  quietUntil: null,
  quietByWeekday: null,
  mutedCategories: null,
};
const DEFAULTS: Preferences = {
  ...DEVICE_DEFAULTS,
  enabled: true,
  locale: null,
  quietByWeekday: {},
  mutedCategories: [],
  receipts: true,
};

/** Writes something that needs a time zone: with the one of this browser where none has been given. */
export async function withTimezone<T>(values: object, write: (values: object) => Promise<T>): Promise<T> {
  try {
    return await write(values);
  } catch (error) {
    if (!hasCode(error, 'timezone_missing')) throw error;
  }
  try {
    return await write({ ...values, timezone: localTimeZone() });
  } catch (error) {
    // The browser may know a place that this Postgres does not know yet.
    if (!hasCode(error, 'timezone_unknown')) throw error;
  }
  return await write({ ...values, timezone: clockZone() });
}

/** What users want to get: rows of `push_preferences` and `push_device_preferences`. */
export function createPreferences({ project }: ClientContext, actions: OfflineActions): PushPreferences {
  // What was last seen, with what was changed since, for answers while offline.
  const lastSeen = new Map<string, Preferences | DevicePreferences>();
  let lastSeenBy: string | null = null;
  /** What the user who is signed in has seen: what the user before had muted must not answer them. */
  const lastSeenByUser = (): typeof lastSeen => {
    if (lastSeenBy && lastSeenBy !== actions.userId) lastSeen.clear();
    lastSeenBy = actions.userId;
    return lastSeen;
  };
  /** Takes note of an answer, unless it comes after the user who asked has left. */
  const remember = (id: string, preferences: Preferences, userAtCall: string | null): Preferences => {
    if (userAtCall === null || userAtCall === actions.userId) lastSeenByUser().set(id, preferences);
    return preferences;
  };
  const OWN = '';

  const defaults = (id: string) => (id ? DEVICE_DEFAULTS : DEFAULTS);
  const columns = (id: string) => Object.keys(defaults(id)).map(columnOf).join(', ');
  const table = (id: string) => project.from(id ? 'push_device_preferences' : 'push_preferences');

  const read = async (id: string, once?: true): Promise<unknown> => {
    const userAtCall = actions.userId;
    const query = table(id).select(columns(id));
    // supabase-js asks again for seven seconds where there is no network, if it is new enough to.
    if (once) query.retry?.(false);
    const row = await project.data((id ? query.eq('subscription_id', id) : query).maybeSingle());
    return remember(id, (row ? fromRow(row) : defaults(id)) as Preferences, userAtCall);
  };

  const write = async (id: string, changes: object): Promise<unknown> => {
    const userAtCall = actions.userId;
    const userId = await project.userId();
    if (!userId) throw new PushClientError('not_signed_in');
    const key = id ? { subscription_id: id } : { user_id: userId };
    const row = await withTimezone(changes, async (values) => {
      const row = toRow(values);
      // Not an upsert at once: that is an insert first, and has to make sense without what is there already.
      const changed = await project.data(table(id).update(row).match(key).select(columns(id)).maybeSingle());
      return (
        changed ??
        (await project.data(
          table(id)
            .upsert({ ...row, ...key })
            .select(columns(id))
            .single(),
        ))
      );
    });
    return remember(id, fromRow<Preferences>(row), userAtCall);
  };

  const rememberUnsent = (id: string, changes: object): unknown =>
    lastSeenByUser().set(id, { ...(lastSeenByUser().get(id) ?? defaults(id)), ...changes } as Preferences);

  const withMuted = (preferences: Preferences, category: string, muted: boolean): string[] =>
    preferences.mutedCategories.filter((key) => key !== category).concat(muted ? category : []);

  const setLater = actions.define('preferences', write);
  // What is kept is the wish, not the list: another device may have muted something else meanwhile.
  const muteLater = actions.define('mute', async (category: string, muted: boolean) => {
    const preferences = (await read(OWN, true)) as Preferences;
    if (preferences.mutedCategories.includes(category) !== muted)
      await write(OWN, { mutedCategories: withMuted(preferences, category, muted) });
  });

  const set = async (id: string, changes: object): Promise<unknown> => {
    if (!(await setLater(id, changes))) rememberUnsent(id, changes);
    return lastSeenByUser().get(id);
  };
  const setMuted = async (category: string, muted: boolean): Promise<Preferences> => {
    if (!(await muteLater(category, muted)))
      rememberUnsent(OWN, {
        mutedCategories: withMuted((lastSeenByUser().get(OWN) ?? DEFAULTS) as Preferences, category, muted),
      });
    return lastSeenByUser().get(OWN) as Preferences;
  };

  return {
    get: () => read(OWN) as Promise<Preferences>,
    set: (changes) => set(OWN, changes) as Promise<Preferences>,
    mute: (category) => setMuted(category, true),
    unmute: (category) => setMuted(category, false),
    device: read as (id: string) => Promise<DevicePreferences>,
    setDevice: set as (id: string, changes: object) => Promise<DevicePreferences>,
    categories: () =>
      project.list('push_categories', 'key, title, description, critical', 'title', 'key') as Promise<
        Category[]
      >,
  };
}
