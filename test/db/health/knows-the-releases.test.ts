import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeEach, expect, test } from 'vitest';
import { VERSION } from '../../../src/shared/version.ts';
import { asService } from '../../support/postgres.ts';
import { plus, startOfClock } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await db().sql`delete from push.functions`;
});

interface Health {
  version: string;
  functions: { name: string; version: string }[];
  reasons: { code: string; message: string }[];
}

/** What a function asks that is of a release, as PostgREST hands its header over. */
function calling<T>(caller: string | null, ask: Parameters<typeof asService<T>>[1]): Promise<T> {
  return asService<T>(db().sql, async (t) => {
    const headers = caller === null ? '' : JSON.stringify({ 'x-supapush-function': caller });
    await t`select set_config('request.headers', ${headers}, true)`;
    return await ask(t);
  });
}

function claimAs(caller: string | null, now: Date) {
  return calling(caller, (t) => t`select public.push_claim(${randomUUID()}, 1, ${now})`);
}

async function health(now: Date, caller: string | null = null): Promise<Health> {
  const [row] = await calling(
    caller,
    (t) => t<{ health: Health }[]>`select public.push_health(${now}) as health`,
  );
  return row?.health as Health;
}

const outdated = ({ reasons }: Health) =>
  reasons.filter(({ code }) => /^(functions|database)_outdated$/.test(code));

test('the schema, the functions and the package are of one release', async () => {
  const manifest = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
  expect(VERSION).toBe((JSON.parse(manifest) as { version: string }).version);
  const [row] = await db().sql`select push.version() as version`;
  expect(row).toEqual({ version: VERSION });
  expect((await health(startOfClock())).version).toBe(VERSION);
});

test('every function that calls is noted with its release, and one of the same release is no reason', async () => {
  const now = startOfClock();
  await claimAs(`push-dispatch/${VERSION}`, now);
  await calling(`push-events/${VERSION}`, (t) => t`select public.push_record_receipts('[]', ${now})`);
  await calling(`push-quotes/${VERSION}`, (t) => t`select public.push_quote_plan(${now})`);
  const found = await health(now, `push-health/${VERSION}`);
  expect(found.functions.map(({ name, version }) => `${name} ${version}`)).toEqual(
    ['push-dispatch', 'push-events', 'push-health', 'push-quotes'].map((name) => `${name} ${VERSION}`),
  );
  expect(outdated(found)).toEqual([]);
});

test('health names functions of an earlier release, until they are deployed', async () => {
  const now = startOfClock();
  await claimAs('push-dispatch/0.0.9', now);
  expect(outdated(await health(now))).toEqual([
    {
      code: 'functions_outdated',
      message: `The database is of release ${VERSION}, and these functions are older: push-dispatch 0.0.9. Deploy them: npx supabase functions deploy`,
    },
  ]);
  await claimAs(`push-dispatch/${VERSION}`, plus(now, 1));
  expect(outdated(await health(plus(now, 1)))).toEqual([]);
});

test('health names functions of a later release, until the migrations are applied', async () => {
  const now = startOfClock();
  await claimAs('push-dispatch/0.10.0', now);
  expect(outdated(await health(now))).toEqual([
    {
      code: 'database_outdated',
      message: `The database is of release ${VERSION}, and these functions are newer: push-dispatch 0.10.0. Run: npx supabase db push`,
    },
  ]);
});

test('a function that has not called for an hour is no reason: it may have been deployed anew since', async () => {
  const now = startOfClock();
  await claimAs('push-dispatch/0.0.9', now);
  expect(outdated(await health(plus(now, 3599)))).toHaveLength(1);
  expect(outdated(await health(plus(now, 3601)))).toEqual([]);
});

test('what is no release of a function of ours is not noted, and stops no claim', async () => {
  const now = startOfClock();
  const strange = [
    null,
    '',
    'push-dispatch',
    'push-dispatch/latest',
    `push-dispatch/${'9'.repeat(40)}.0.0`,
    "other/1.0.0'--",
  ];
  for (const caller of strange) await claimAs(caller, now);
  expect((await health(now)).functions).toEqual([]);
});

test('a read replica answers without noting who asks', async () => {
  const now = startOfClock();
  const found = await db().sql.begin('read only', async (t) => {
    await t`select set_config('request.headers', ${JSON.stringify({ 'x-supapush-function': 'push-health/0.0.9' })}, true)`;
    return await t<{ health: Health }[]>`select public.push_health(${now}) as health`;
  });
  expect(found[0]?.health).toMatchObject({ version: VERSION, functions: [] });
});

test('the same release is written once a minute, and one call at a time', async () => {
  const now = startOfClock();
  const seen = async () => (await db().sql`select xmin, seen_at from push.functions`)[0];
  await claimAs(`push-dispatch/${VERSION}`, now);
  const first = await seen();
  await claimAs(`push-dispatch/${VERSION}`, plus(now, 59));
  expect(await seen()).toEqual(first);
  await calling('push-dispatch/0.0.9', async (other) => {
    await other`select public.push_record_receipts('[]', ${plus(now, 61)})`;
    // The row is locked by a transaction that is open: who comes meanwhile does not wait for it.
    await calling(
      'push-dispatch/0.0.8',
      (t) => t`select public.push_record_receipts('[]', ${plus(now, 62)})`,
    );
  });
  expect(await db().sql`select version from push.functions`).toEqual([{ version: '0.0.9' }]);
});

test('0.2.0 is before 0.10.0', async () => {
  const [row] = await db().sql`
    select push.is_earlier('0.2.0', '0.10.0') as earlier, push.is_earlier('0.10.0', '0.2.0') as later,
      push.is_earlier('0.2.0', '0.2.0') as same, push.is_earlier('0.2.0-rc.1', '0.2.1') as draft`;
  expect(row).toEqual({ earlier: true, later: false, same: false, draft: true });
});

test('releases are in the order of Semantic Versioning 2.0.0, pre-releases too', async () => {
  const ordered = [
    '0.9.9',
    '1.0.0-1',
    '1.0.0-2',
    '1.0.0-11',
    '1.0.0-Beta',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-alpha-1',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.0.1-rc.1',
    '1.2.0',
    '1.10.0',
  ];
  const rows = await db().sql<{ one: number; other: number; earlier: boolean }[]>`
    select a.place as one, b.place as other, push.is_earlier(a.version, b.version) as earlier
    from unnest(${ordered}::text[]) with ordinality as a (version, place),
      unnest(${ordered}::text[]) with ordinality as b (version, place)`;
  const wrong = rows.filter(({ one, other, earlier }) => earlier !== Number(one) < Number(other));
  expect(rows).toHaveLength(ordered.length ** 2);
  expect(wrong.map(({ one, other }) => [ordered[Number(one) - 1], ordered[Number(other) - 1]])).toEqual([]);
  const [same] = await db().sql`
    select push.is_earlier('1.0.0+a', '1.0.0+b') as built, push.is_earlier('1.0.0+b', '1.0.0-rc.1') as draft`;
  expect(same).toEqual({ built: false, draft: false });
});

test('health names functions of a pre-release of the release that the database has', async () => {
  const now = startOfClock();
  await claimAs(`push-dispatch/${VERSION}-rc.1`, now);
  expect(outdated(await health(now))).toMatchObject([{ code: 'functions_outdated' }]);
});
