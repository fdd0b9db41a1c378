import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asAnon, asService, asUser, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const USER = '00000000-0000-4000-8000-000000000001';
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrations: false });
});
afterAll(() => database.drop());

test('Vault is there from the start, and creating it again is no error', async () => {
  await database.sql`create extension if not exists supabase_vault with schema extensions`;
  await database.sql`create extension if not exists supabase_vault cascade`;
});

test('a secret is created, read by its name, changed in part and deleted', async () => {
  const [created] = await database.sql`select vault.create_secret('häschen', 'bell', 'rings') as id`;
  const read = () => database.sql`
    select name, description, decrypted_secret from vault.decrypted_secrets where id = ${created?.id}
  `;
  expect(await read()).toEqual([{ name: 'bell', description: 'rings', decrypted_secret: 'häschen' }]);
  await database.sql`select vault.update_secret(${created?.id}, 'new')`;
  expect(await read()).toEqual([{ name: 'bell', description: 'rings', decrypted_secret: 'new' }]);
  await database.sql`select vault.update_secret(${created?.id}, new_name := 'gong')`;
  expect(await read()).toEqual([{ name: 'gong', description: 'rings', decrypted_secret: 'new' }]);
  await database.sql`delete from vault.secrets where id = ${created?.id}`;
  expect(await read()).toEqual([]);
});

test('a secret that another key has written can be deleted, and neither read nor changed', async () => {
  const [row] = await database.sql<{ id: string }[]>`select vault.create_secret('old', 'restored') as id`;
  const id = (row as { id: string }).id;
  const admin = postgres(database.superuserUrl, { max: 1 });
  await admin`update vault.secrets set secret = '*' where id = ${id}`;
  await admin.end();
  await expect(database.sql`select decrypted_secret from vault.decrypted_secrets`).rejects.toThrow();
  await expect(database.sql`select vault.update_secret(${id}, 'new')`).rejects.toThrow();
  await database.sql`delete from vault.secrets where id = ${id}`;
});

test('a name is given only once, no name any number of times', async () => {
  await database.sql`select vault.create_secret('a', 'twice'), vault.create_secret('b'), vault.create_secret('c')`;
  await expect(database.sql`select vault.create_secret('d', 'twice')`).rejects.toMatchObject({
    code: '23505',
  });
});

test('the column secret is not the secret', async () => {
  const [row] = await database.sql`select vault.create_secret('plain text') as id`;
  const [stored] = await database.sql`select secret from vault.secrets where id = ${row?.id}`;
  expect(stored?.secret).not.toContain('plain');
});

test('service_role reads and writes secrets', async () => {
  const [row] = await asService(database.sql, async (sql) => {
    await sql`select vault.create_secret('for the service', 'service')`;
    return sql`select decrypted_secret from vault.decrypted_secrets where name = 'service'`;
  });
  expect(row?.decrypted_secret).toBe('for the service');
});

test.each([
  ['anon', asAnon],
  ['authenticated', (sql: TestDatabase['sql'], fn: Parameters<typeof asAnon>[1]) => asUser(sql, USER, fn)],
])('%s reaches no secret', async (_, as) => {
  for (const statement of [
    'select * from vault.secrets',
    'select * from vault.decrypted_secrets',
    `select vault.create_secret('x')`,
    `select vault.update_secret(gen_random_uuid(), 'x')`,
  ]) {
    await expect(as(database.sql, (sql) => sql.unsafe(statement))).rejects.toMatchObject({ code: '42501' });
  }
});

test.each([
  `insert into vault.secrets (secret) values ('x')`,
  `update vault.secrets set secret = 'x'`,
  'alter table vault.secrets add column own text',
])('postgres may not: %s', async (statement) => {
  await expect(database.sql.unsafe(statement)).rejects.toMatchObject({ code: '42501' });
});
