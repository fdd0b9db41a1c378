import { expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { prefer } from '../../support/preferences.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

test('whether a user has preferences, or a timezone, does not show when a stranger writes in their name', async () => {
  const { sql } = db();
  const [stranger, silent, known] = [await createUser(sql), await createUser(sql), await createUser(sql)];
  await prefer(sql, known.id, { timezone: 'Europe/Vienna' });
  const refusals = await Promise.all(
    [silent, known].map(({ id }) =>
      refusalOf(
        asUser(
          sql,
          stranger.id,
          (t) => t`
            insert into public.push_preferences (user_id, quiet_from, quiet_until) values (${id}, '22:00', '07:00')`,
        ),
      ),
    ),
  );
  expect(refusals[0]).toMatchObject({ sqlstate: '42501' });
  expect(refusals[1]).toEqual(refusals[0]);
});
