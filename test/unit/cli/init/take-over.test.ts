import { expect, test } from 'vitest';
import { functionsNaming, tableColumns } from '../../../../src/cli/init/sql-objects.ts';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { command } from '../../../../src/cli/init.ts';
import { generateVapidPair } from '../../../../src/cli/vapid-pair.ts';
import { called } from '../../../support/command.ts';
import { CONFIG, released, withLookAlike } from './look-alike.ts';

const TABLE =
  'create table push_subscriptions (id uuid primary key, user_id uuid references auth.users(id), subscription jsonb not null, unique (user_id));\n';
const APP = { 'supabase/config.toml': CONFIG, 'supabase/migrations/20260101000000_app.sql': TABLE };
const release = released({
  migrations: [
    {
      version: '0.1.0',
      sql: 'create schema push;\ncreate table public.push_subscriptions ();\ncreate table public.push_quotes ();\n',
    },
  ],
});
const MIGRATION = 'supabase/migrations/20261129120000_supapush_0_1_0.sql';

test('without a word the app’s table stops init, which says how to take its rows over', async () => {
  await withLookAlike(APP, async ({ plan }) => {
    await expect(plan({ release })).rejects.toThrow(
      /public\.push_subscriptions, made by [\s\S]*npx supapush init --take-over public\.push_subscriptions$/,
    );
  });
});

test('one migration renames it, makes the schema and copies the rows; a second run changes nothing', async () => {
  await withLookAlike(APP, async ({ plan, read }) => {
    const first = await plan({ release, takeOver: 'push_subscriptions' });
    writeChanges(first.changes);
    expect(first.left.join('\n')).toMatch(
      /VAPID key pair that they were made with: npx supapush secrets --vapid-from/,
    );
    const written = await read();
    const places = [
      'rename to "push_subscriptions_before_supapush"',
      'create schema push',
      'insert into public.push_subscriptions',
    ];
    const found = places.map((place) => written[MIGRATION]?.indexOf(place) ?? -1);
    expect(found).toEqual([...found].sort((a, b) => a - b));
    expect(found).not.toContain(-1);
    const again = await plan({ release });
    expect(new Set(again.changes.map(({ kind }) => kind))).toEqual(new Set(['unchanged']));
    expect(again.left.join('\n')).not.toContain('differs');
  });
});

test('another thing of ours that the app makes still stops it', async () => {
  await withLookAlike(
    {
      ...APP,
      'supabase/migrations/2.sql': '',
      'supabase/migrations/3_a.sql': 'create table push_quotes ();',
    },
    async ({ plan }) => {
      await expect(plan({ release, takeOver: 'push_subscriptions' })).rejects.toMatchObject({
        code: 'objects_taken',
      });
    },
  );
});

test('a table of another name is offered, and is taken over without a new name', async () => {
  const other = {
    ...APP,
    'supabase/migrations/20260101000000_app.sql': TABLE.replace('push_sub', 'user_push_sub'),
  };
  await withLookAlike(other, async ({ plan }) => {
    expect((await plan({ release })).left).toContainEqual(
      expect.stringContaining('npx supapush init --take-over public.user_push_subscriptions'),
    );
    const { changes } = await plan({ release, takeOver: 'user_push_subscriptions' });
    expect(changes[0]?.after).toContain('from "public"."user_push_subscriptions" as o');
    expect(changes[0]?.after).not.toContain('rename to');
  });
});

const COPY = 'supabase/migrations/20261129120001_supapush_take_over.sql';

test('after init the rows are copied by a migration of their own, once', async () => {
  const other = {
    ...APP,
    'supabase/migrations/20260101000000_app.sql': TABLE.replace('push_sub', 'user_push_sub'),
  };
  await withLookAlike(other, async ({ plan, read }) => {
    writeChanges((await plan({ release })).changes);
    const later = await plan({ release, takeOver: 'user_push_subscriptions' });
    expect(later.left.join()).toContain('from "public"."user_push_subscriptions" as o');
    writeChanges(later.changes);
    const { [MIGRATION]: schema, [COPY]: copy } = await read();
    expect(schema).not.toContain('user_push_subscriptions');
    expect(copy).toMatch(/^-- Written by supapush init --take-over: the rows/);
    expect(copy).toContain('from "public"."user_push_subscriptions" as o');
    expect(copy).not.toContain('create schema');
    const again = await plan({ release, takeOver: 'public.user_push_subscriptions' });
    expect(again.changes.filter(({ kind }) => kind !== 'unchanged')).toEqual([]);
    await expect(plan({ release, takeOver: 'push_subscriptions' })).rejects.toMatchObject({
      code: 'take_over_refused',
    });
  });
});

test('a second run with the same --take-over changes nothing', async () => {
  await withLookAlike(APP, async ({ plan }) => {
    writeChanges((await plan({ release, takeOver: 'push_subscriptions' })).changes);
    const again = await plan({ release, takeOver: 'push_subscriptions' });
    expect(again.changes.filter(({ kind }) => kind !== 'unchanged')).toEqual([]);
  });
});

test('after an uninstall our own table is not offered, and the one of before can be taken over again', async () => {
  await withLookAlike(APP, async ({ plan, write }) => {
    const full = released({
      migrations: [
        {
          version: '0.1.0',
          sql: 'create schema push;\ncreate table public.push_subscriptions (user_id uuid, endpoint text, p256dh text, auth text);\n',
        },
      ],
    });
    writeChanges((await plan({ release: full, takeOver: 'push_subscriptions' })).changes);
    await write('supabase/migrations/20261129130000_supapush_uninstall.sql', '-- all of it\n');
    const { changes, left } = await plan({ release: full });
    expect(changes[0]).toMatchObject({ kind: 'create' });
    expect(left.join()).not.toContain('--take-over');
    await expect(plan({ release: full, takeOver: 'push_subscriptions' })).rejects.toMatchObject({
      code: 'take_over_refused',
    });
    const again = await plan({ release: full, takeOver: 'push_subscriptions_before_supapush' });
    expect(again.changes[0]?.after).toContain('from "public"."push_subscriptions_before_supapush" as o');
    expect(again.changes[0]?.after).not.toContain('rename to');
  });
});

test.each([
  ['push_notifications', 'id uuid, user_id uuid, title text, data jsonb'],
  ['push_notifications', 'user_id uuid, endpoint text, p256dh text, auth text'],
])('%s (%s) is never given another name, so it stops init', async (name, columns) => {
  const files = {
    ...APP,
    'supabase/migrations/20260101000000_app.sql': `create table ${name} (${columns});`,
  };
  const ours = released({
    migrations: [{ version: '0.1.0', sql: `create schema push;\ncreate table public.${name} ();\n` }],
  });
  await withLookAlike(files, async ({ plan }) => {
    for (const takeOver of [undefined, name]) {
      const refusal = await plan({ release: ours, takeOver }).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'objects_taken' });
      expect((refusal as Error).message).not.toContain('--take-over');
    }
  });
});

test.each([
  ['id uuid, user_id uuid, title text, data jsonb', false],
  ['id uuid, user_id uuid, value text', false],
  ['user_id uuid, subscription jsonb', true],
  ['user_id uuid, endpoint text, keys jsonb', true],
])('push_things (%s) is offered: %s', async (columns, offered) => {
  const files = {
    ...APP,
    'supabase/migrations/20260101000000_app.sql': `create table push_things (${columns});`,
  };
  await withLookAlike(files, async ({ plan }) => {
    expect((await plan({ release })).left.join().includes('--take-over public.push_things')).toBe(offered);
  });
});

test('names are quoted in the query for what is left', async () => {
  const files = {
    ...APP,
    'supabase/migrations/20260101000000_app.sql': TABLE.replace('push_subscriptions', '"pushSubscriptions"'),
  };
  await withLookAlike(files, async ({ plan }) => {
    const { left } = await plan({ release, takeOver: 'pushSubscriptions' });
    expect(left.join()).toContain('select * from "public"."pushSubscriptions" as o where');
  });
});

test.each([
  ['news', 'your migrations make no table public.news'],
  ['deals', 'the columns of public.deals (id, price) are not those of push subscriptions'],
])('--take-over %s is refused', async (takeOver, reason) => {
  const files = {
    ...APP,
    'supabase/migrations/20260102000000_b.sql': 'create table deals (id int, price numeric(10, 2));',
  };
  await withLookAlike(files, async ({ plan, read }) => {
    await expect(plan({ release, takeOver })).rejects.toThrow(reason);
    expect(await read()).toEqual(files);
  });
});

test('columns are read as later migrations leave them', () => {
  const migrations = [
    'create table if not exists public.subs (id int, "User Id" uuid, amount numeric(10, 2) check (amount > 0), constraint one unique (id));',
    "alter table subs add column endpoint text default ',', add column if not exists p256dh text;",
    'alter table public.subs rename column p256dh to "keyP"; alter table others add column auth text;',
  ].map((sql) => ({ sql }));
  expect(tableColumns(migrations, 'public.subs')).toEqual(['id', 'User Id', 'amount', 'endpoint', 'keyP']);
});

test('functions are found by what their bodies name', () => {
  const sql = `
    create function one() returns void language sql as $$ delete from push_subscriptions $$;
    create or replace function app.two(a text default 'x') returns int as $body$ begin return 1; end $body$ language plpgsql;
    create function three() returns void language sql as 'select * from public.push_subscriptions';
    create function four() returns void language sql security definer set search_path = '' as $$ delete from public.push_subscriptions $$;
    create function five(a text default 'it''s') returns void set search_path to 'public', 'as $x$' language sql as $$ select 1 $$;
    create function six() returns void set search_path = '' as 'select ''a'' from push_subscriptions' language sql;`;
  expect(functionsNaming([{ sql }], 'push_subscriptions')).toEqual([
    'public.one',
    'public.three',
    'public.four',
    'public.six',
  ]);
});

test('of several VAPID pairs it has to be said with which the rows were made', async () => {
  const [newest, older] = [generateVapidPair(), generateVapidPair()];
  const secrets = {
    ...APP,
    '.env': `VAPID_PUBLIC_KEY=${newest.publicKey}\nVAPID_PREVIOUS_KEYS='${JSON.stringify([older])}'\n`,
  };
  await withLookAlike(secrets, async ({ plan, read }) => {
    await expect(plan({ release, takeOver: 'push_subscriptions' })).rejects.toThrow(
      `--vapid-key ${newest.publicKey}, or --vapid-key ${older.publicKey}. Nothing was written.`,
    );
    writeChanges(
      (await plan({ release, takeOver: 'push_subscriptions', vapidKey: older.publicKey })).changes,
    );
    expect((await read())[MIGRATION]).toContain(`constant text := '${older.publicKey}';`);
    // Another run needs it no more.
    expect((await plan({ release, takeOver: 'push_subscriptions' })).left.join('\n')).not.toContain(
      '--vapid-key',
    );
  });
  const named = {
    ...secrets,
    'supabase/migrations/20260101000000_app.sql': TABLE.replace(
      'subscription jsonb',
      'vapid_key text, subscription jsonb',
    ),
  };
  await withLookAlike(named, async ({ plan }) => {
    expect((await plan({ release, takeOver: 'push_subscriptions' })).changes.length).toBeGreaterThan(0);
  });
});

test.each([
  [['--vapid-key', generateVapidPair().publicKey], /goes with --take-over/],
  [['--take-over', 'x', '--vapid-key', generateVapidPair().privateKey], /takes a public VAPID key: 65 bytes/],
])('%j is called wrongly', async (args, message) => {
  await withLookAlike(APP, ({ folder }) =>
    expect(called(command, '--workdir', folder, '--dry-run', ...args)).rejects.toThrow(message),
  );
});
