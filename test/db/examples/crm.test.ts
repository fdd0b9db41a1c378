import { beforeEach, expect, test } from 'vitest';
import { asUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { readRuleErrors } from '../../support/rules.ts';
import { useExample } from '../../support/use-example.ts';

const { db, users, heard } = useExample('crm', ['anna', 'ben', 'carla', 'dora']);

// Dora is of another organisation.
let ours: number;
let theirs: number;
beforeEach(async () => {
  const { sql } = db();
  const rows = await sql<{ id: number }[]>`
    insert into public.organisations (name) values ('Acme'), ('Elsewhere') returning id::int`;
  [ours, theirs] = rows.map(({ id }) => id) as [number, number];
  const { anna, ben, carla, dora } = users();
  await sql`
    insert into public.organisation_members (organisation_id, user_id)
    values (${ours}, ${anna}), (${ours}, ${ben}), (${ours}, ${carla}), (${theirs}, ${dora})`;
});

function createContact(by: string, name: string, owner: string): Promise<unknown> {
  return asUser(
    db().sql,
    by,
    (t) =>
      t`insert into public.contacts (organisation_id, name, owner_id) values (${ours}, ${name}, ${owner})`,
  );
}

test('a user who gets a contact to look after is told of it, unless they made it', async () => {
  const { anna, ben } = users();
  await createContact(ben, 'Ada', anna);
  await createContact(anna, 'Grace', anna);
  expect(await heard()).toEqual({ anna: ['New contact: Ada'] });
});

test('a user who is named from another organisation is sent no message', async () => {
  const { anna, dora } = users();
  expect((await refusalOf(createContact(anna, 'Spam', dora))).sqlstate).toBe('23503');
  expect((await refusalOf(createContact(dora, 'Spam', anna))).sqlstate).toBe('42501');
  expect(await heard()).toEqual({});
});

test("a deal's owner hears of a new stage and of the old one, and of nothing else", async () => {
  const { sql } = db();
  const { anna, ben, dora } = users();
  const [deal] = await asUser(
    sql,
    anna,
    (t) => t`insert into public.deals (organisation_id, name) values (${ours}, 'Rocket') returning id`,
  );
  const id = deal?.id as string;
  await asUser(sql, ben, (t) => t`update public.deals set stage = 'won' where id = ${id}`);
  await asUser(
    sql,
    ben,
    (t) => t`update public.deals set stage = 'won', name = 'Big rocket' where id = ${id}`,
  );
  await asUser(sql, dora, (t) => t`update public.deals set stage = 'lost' where id = ${id}`);
  expect(await heard()).toEqual({ anna: ['Rocket is won / It was new until now.'] });
  const [message] = await sql`select params, tag, category from public.push_notifications`;
  expect(message).toEqual({
    params: { deal: Number(id), stage: { old: 'new', new: 'won' } },
    tag: `deal:${id}`,
    category: 'crm:deals',
  });
});

test('a team update reaches all members but its author', async () => {
  const { sql } = db();
  await asUser(
    sql,
    users().carla,
    (t) => t`insert into public.team_updates (organisation_id, text) values (${ours}, 'Cake at three.')`,
  );
  expect(await heard()).toEqual({
    anna: ['Update for Acme / Cake at three.'],
    ben: ['Update for Acme / Cake at three.'],
  });
  expect(await readRuleErrors(sql)).toEqual([]);
});

test('no user writes an update in the name of another, or reads those of another organisation', async () => {
  const { sql } = db();
  const { anna, ben, dora } = users();
  const forged = asUser(
    sql,
    ben,
    (t) =>
      t`insert into public.team_updates (organisation_id, author_id, text) values (${ours}, ${anna}, 'x')`,
  );
  expect((await refusalOf(forged)).sqlstate).toBe('42501');
  await sql`insert into public.team_updates (organisation_id, author_id, text) values (${ours}, ${anna}, 'x')`;
  for (const [reader, count] of [
    [ben, 1],
    [dora, 0],
  ] as const)
    expect(
      await asUser(sql, reader, (t) => t`select from public.team_updates where organisation_id = ${ours}`),
    ).toHaveLength(count);
});

test('a user who is deleted leaves contacts and deals behind without an owner', async () => {
  const { sql } = db();
  const { anna, ben } = users();
  await createContact(anna, 'Ada', ben);
  await sql`insert into public.deals (organisation_id, name, owner_id) values (${ours}, 'Big', ${ben})`;
  await sql`delete from auth.users where id = ${ben}`;
  const left = await sql`
    select name, owner_id from public.contacts where organisation_id = ${ours}
    union all select name, owner_id from public.deals where organisation_id = ${ours}`;
  expect([...left]).toEqual([
    { name: 'Ada', owner_id: null },
    { name: 'Big', owner_id: null },
  ]);
});
