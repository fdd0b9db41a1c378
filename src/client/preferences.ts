import type { ClientContext } from './client-context.ts';
import type { OfflineActions } from './offline-actions.ts';
import type { Category, DevicePreferences, Preferences, PushPreferences } from './push-client.ts';
import { PushClientError } from './push-client-error.ts';
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
};

/** Tries something that needs a timezone with the one of this browser, where none has been said. */
export async function withTimezone<T>(values: object, write: (values: object) => Promise<T>): Promise<T> {
  try {
    return await write(values);
  } catch (error) {
    if (!(error instanceof PushClientError) || error.code !== 'timezone_missing') throw error;
    return await write({ ...values, timezone: Intl.DateTimeFormat().resolvedOptions().timeZone });
  }
}

/** What users want to get: rows of `push_preferences` and `push_device_preferences`. */
export function createPreferences({ project }: ClientContext, actions: OfflineActions): PushPreferences {
  // What was last seen, with what was changed since, for answers while offline: to its own user alone.
  let seenBy: string | null = null;
  let seenMap = new Map<string, Preferences | DevicePreferences>();
  const seen = () => {
    if (actions.userId && actions.userId !== seenBy) seenMap = new Map();
    seenBy = actions.userId ?? seenBy;
    return seenMap;
  };
  const OWN = '';

  const defaults = (id: string) => (id ? DEVICE_DEFAULTS : DEFAULTS);
  const columns = (id: string) => Object.keys(defaults(id)).map(columnOf).join(', ');
  const table = (id: string) => project.from(id ? 'push_device_preferences' : 'push_preferences');

  const read = async (id: string): Promise<unknown> => {
    const query = table(id).select(columns(id));
    const row = await project.data((id ? query.eq('subscription_id', id) : query).maybeSingle());
    const preferences = row ? fromRow<Preferences>(row) : defaults(id);
    seen().set(id, preferences);
    return preferences;
  };

  const write = async (id: string, changes: object): Promise<unknown> => {
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
    seen().set(id, fromRow(row));
    return seen().get(id);
  };

  const guess = (id: string, changes: object): void =>
    void seen().set(id, { ...(seen().get(id) ?? defaults(id)), ...changes } as Preferences);

  const withMuted = (preferences: Preferences, category: string, muted: boolean): string[] => [
    ...preferences.mutedCategories.filter((key) => key !== category),
    ...(muted ? [category] : []),
  ];

  const setLater = actions.define('preferences', write);
  // What is kept is the wish, not the list: another device may have muted something else meanwhile.
  const muteLater = actions.define('mute', async (category: string, muted: boolean) => {
    const preferences = (await read(OWN)) as Preferences;
    if (preferences.mutedCategories.includes(category) !== muted)
      await write(OWN, { mutedCategories: withMuted(preferences, category, muted) });
  });

  const set = async (id: string, changes: object): Promise<unknown> => {
    if (!(await setLater(id, changes))) guess(id, changes);
    return seen().get(id);
  };
  const setMuted = async (category: string, muted: boolean): Promise<Preferences> => {
    if (!(await muteLater(category, muted)))
      guess(OWN, {
        mutedCategories: withMuted((seen().get(OWN) ?? DEFAULTS) as Preferences, category, muted),
      });
    return seen().get(OWN) as Preferences;
  };

  return {
    get: async () => (await read(OWN)) as Preferences,
    set: async (changes) => (await set(OWN, changes)) as Preferences,
    mute: (category) => setMuted(category, true),
    unmute: (category) => setMuted(category, false),
    device: async (id) => (await read(id)) as DevicePreferences,
    setDevice: async (id, changes) => (await set(id, changes)) as DevicePreferences,
    categories: async () =>
      (await project.data(
        project.from('push_categories').select('key, title, description, critical').order('title'),
      )) as Category[],
  };
}
