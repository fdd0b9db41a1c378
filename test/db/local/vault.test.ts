import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { asAnon, asService, asUser, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { writeUnderAnotherKey } from '../../support/vault.ts';

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

describe('an entry that another key has written', () => {
  const UNREADABLE = {
    code: '22000',
    message: 'pgsodium_crypto_aead_det_decrypt_by_id: invalid ciphertext',
  };
  const restored = async (name: string): Promise<string> => {
    const [row] = await database.sql<{ id: string }[]>`select vault.create_secret('old', ${name}) as id`;
    const { id } = row as { id: string };
    await writeUnderAnotherKey(database, name);
    return id;
  };
  afterEach(() => database.sql`delete from vault.secrets`);

  test('can be deleted and created anew, and neither read nor changed', async () => {
    const id = await restored('restored');
    const { sql } = database;
    await expect(sql`select decrypted_secret from vault.decrypted_secrets`).rejects.toMatchObject(UNREADABLE);
    await expect(sql`select vault.update_secret(${id}, 'new')`).rejects.toMatchObject(UNREADABLE);
    await expect(sql`select vault.update_secret(${id}, new_name := 'x')`).rejects.toMatchObject(UNREADABLE);
    await sql`delete from vault.secrets where id = ${id}`;
    await sql`select vault.create_secret('new', 'restored')`;
    expect(await sql`select decrypted_secret as secret from vault.decrypted_secrets`).toEqual([
      { secret: 'new' },
    ]);
  });

  test('hides no other entry from who asks for that one alone', async () => {
    await restored('restored');
    await database.sql`select vault.create_secret('mine', 'own')`;
    const read = await database.sql`
      select decrypted_secret as secret from vault.decrypted_secrets where name = 'own'`;
    expect(read).toEqual([{ secret: 'mine' }]);
    expect(await database.sql`select name from vault.decrypted_secrets order by name`).toHaveLength(2);
  });

  test('is what an entry becomes that is moved to another row', async () => {
    const admin = postgres(database.superuserUrl, { max: 1 });
    await database.sql`select vault.create_secret('a', 'from'), vault.create_secret('b', 'to')`;
    await admin`update vault.secrets set secret = (select secret from vault.secrets where name = 'from')
      where name = 'to'`;
    await admin.end();
    await expect(
      database.sql`select decrypted_secret from vault.decrypted_secrets where name = 'to'`,
    ).rejects.toMatchObject(UNREADABLE);
  });
});

test('an empty secret is written and never read', async () => {
  await database.sql`select vault.create_secret('', 'empty')`;
  await expect(
    database.sql`select decrypted_secret from vault.decrypted_secrets where name = 'empty'`,
  ).rejects.toMatchObject({
    code: '22000',
    message: 'pgsodium_crypto_aead_det_decrypt_by_id: invalid message',
  });
  await database.sql`delete from vault.secrets where name = 'empty'`;
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
    `select vault._crypto_aead_det_decrypt('x', 'y', 0)`,
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
