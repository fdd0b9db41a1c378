import { expect, test } from 'vitest';
import { asAnon, asService, asUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

test.each(['anon', 'authenticated', 'service_role'])('%s', async (role) => {
  const { sql } = db();
  const as = <T>(work: Parameters<typeof asAnon<T>>[1]) =>
    role === 'anon'
      ? asAnon(sql, work)
      : role === 'service_role'
        ? asService(sql, work)
        : asUser(sql, owner(), work);
  await watch(sql, { name: 'theirs' });

  expect((await refusalOf(as((t) => watch(t)))).sqlstate).toBe('42501');
  expect((await refusalOf(as((t) => t`select push.unwatch('theirs')`))).sqlstate).toBe('42501');
  expect((await refusalOf(as((t) => t`select push.rule_theirs_insert()`))).sqlstate).toBe('42501');
  expect([...(await sql`select name from push.rules`)]).toEqual([{ name: 'theirs' }]);
});
