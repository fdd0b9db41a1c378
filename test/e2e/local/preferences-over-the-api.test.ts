import { createClient } from '@supabase/supabase-js';
import { expect, test } from 'vitest';
import type { Database } from '../../../src/server/database/types.generated.ts';
import { quietNow } from '../../support/preferences.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ workers: { cron: false } });

test('with supabase-js alone a user says what to get, changes it, says it for a device, and takes it back', async () => {
  const { url, publishableKey, pushService } = stack();
  const app = createClient<Database>(url, publishableKey);
  const signUp = await app.auth.signUp({ email: 'anna@example.com', password: 'correct horse battery' });
  expect(signUp.error).toBeNull();
  const { endpoint, subscription } = pushService.createDevice();
  const device = await app
    .from('push_subscriptions')
    .insert({ endpoint, ...subscription.keys })
    .select('id')
    .single();

  const { timezone = null, quiet_from = null, quiet_until = null } = quietNow();
  const said = await app.from('push_preferences').upsert({
    timezone,
    locale: 'de-AT',
    quiet_from,
    quiet_until,
    quiet_by_weekday: { 6: { from: '23:00', until: '10:00' }, 7: null },
  });
  expect(said.error).toBeNull();
  // What is not named stays: the hours need their timezone, which is there already.
  const more = await app
    .from('push_preferences')
    .upsert({ quiet_from: '21:00', quiet_until: '06:30', muted_categories: ['alerts'] });
  expect(more.error).toBeNull();
  expect((await app.from('push_preferences').select().single()).data).toEqual({
    user_id: signUp.data.user?.id,
    enabled: true,
    timezone: 'UTC',
    locale: 'de-AT',
    quiet_from: '21:00:00',
    quiet_until: '06:30:00',
    quiet_by_weekday: { 6: { from: '23:00', until: '10:00' }, 7: null },
    muted_categories: ['alerts'],
    receipts: true,
  });

  for (const enabled of [false, null]) {
    const different = await app
      .from('push_device_preferences')
      .upsert({ subscription_id: device.data?.id ?? '', enabled });
    expect(different.error).toBeNull();
  }

  const refused = await app.from('push_preferences').upsert({ timezone: 'europe/vienna' });
  expect(refused).toMatchObject({
    status: 400,
    error: { details: 'timezone_unknown', hint: 'Write Europe/Vienna.' },
  });
  expect((await app.from('push_preferences').delete().eq('locale', 'de-AT')).error).toBeNull();
  expect((await app.from('push_preferences').select()).data).toEqual([]);
});
