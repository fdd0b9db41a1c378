import { expect, test } from 'vitest';
import { BELL_SECRET, connectBell, countRings } from '../../support/bell.ts';
import { asAnon, asService, asUser } from '../../support/postgres.ts';
import { queueOne } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

// pg_net lets everybody who reaches the database read its queue; the Data API does not expose schema net. That is why
// the secret can do nothing but ring. The Vault is for the service role, as on every project.
const READABLE = {
  anon: ['net.http_request_queue'],
  authenticated: ['net.http_request_queue'],
  service_role: ['net.http_request_queue', 'vault.decrypted_secrets'],
};

test.each(Object.entries(READABLE))(
  '%s finds it in no table but those of the platform',
  async (role, expected) => {
    const { sql } = db();
    await connectBell(sql);
    const { userId } = await queueOne(sql);
    expect(await countRings(sql)).toBeGreaterThan(0);

    const relations = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
      and n.nspname !~ '^pg_(toast|temp)'
      and has_schema_privilege(${role}, n.oid, 'usage') and has_table_privilege(${role}, c.oid, 'select')
    order by 1`;
    const as = role === 'anon' ? asAnon : role === 'service_role' ? asService : null;
    const found: string[] = [];
    for (const { name } of relations) {
      const rows = await (as ?? ((client, work) => asUser(client, userId, work)))(sql, (t) =>
        t.unsafe(`select to_jsonb(r)::text as row from ${name} as r`),
      );
      if (rows.some(({ row }) => row.includes(BELL_SECRET))) found.push(name);
    }
    expect(found).toEqual(expected);
  },
);

test('it stands in no table of ours', async () => {
  const { sql } = db();
  await connectBell(sql);
  await queueOne(sql);
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c
    where c.relkind = 'r' and c.relnamespace in ('public'::regnamespace, 'push'::regnamespace)`;
  for (const { name } of tables) {
    const rows = await sql.unsafe(`select to_jsonb(r)::text as row from ${name} as r`);
    expect(rows.filter(({ row }) => row.includes(BELL_SECRET))).toEqual([]);
  }
});

test('no function has it in its text', async () => {
  const { sql } = db();
  await connectBell(sql);
  const rows = await sql`select proname from pg_proc where strpos(prosrc, ${BELL_SECRET}) > 0`;
  expect([...rows]).toEqual([]);
});
