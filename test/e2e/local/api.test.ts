import { createHmac } from 'node:crypto';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { useStack } from '../../support/stack.ts';
import { API_MIGRATION } from './api-migration.ts';
import { makeProject, type TempProject } from './temp-project.ts';

let project: TempProject;
const stack = useStack(async () => {
  project = await makeProject({ 'migrations/20260101000000_notes.sql': API_MIGRATION });
  return { projectDirectory: project.directory };
});
afterAll(() => project.remove());

const rest = (path: string, headers: Record<string, string>, init: RequestInit = {}): Promise<Response> =>
  fetch(`${stack().url}/rest/v1/${path}`, {
    ...init,
    headers: { 'content-type': 'application/json', ...headers },
  });

const service = (): SupabaseClient =>
  createClient(stack().url, stack().secretKey, { auth: { persistSession: false } });

async function signUp(email: string): Promise<SupabaseClient> {
  const client = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
  const { error } = await client.auth.signUp({ email, password: 'correct horse' });
  if (error) throw error;
  return client;
}

function jwt(claims: object, secret: string, alg = 'HS256'): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg, typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

describe('keys', () => {
  it('refuses a request without a key', async () => {
    expect((await rest('notes', {})).status).toBe(401);
  });

  it('refuses a wrong key', async () => {
    expect((await rest('notes', { apikey: `${stack().publishableKey}x` })).status).toBe(401);
  });

  it('takes the publishable key for anon, who may do what is granted and nothing else', async () => {
    const apikey = stack().publishableKey;
    expect(await (await rest('rpc/me', { apikey })).json()).toBe('anon');
    const refused = await rest('notes', { apikey });
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ code: '42501' });
  });

  it('takes the secret key for service_role', async () => {
    const { data } = await service().rpc('me');
    expect(data).toBe('service_role');
  });

  it.each([
    ['signed with another secret', () => jwt({ role: 'service_role', exp: 4e9 }, 'x'.repeat(64))],
    ['unsigned', () => jwt({ role: 'service_role', exp: 4e9 }, '', 'none').replace(/[^.]*$/, '')],
    ['no JWT at all', () => 'nonsense'],
  ])('refuses a token %s instead of treating its bearer as anon', async (_, token) => {
    const answer = await rest('rpc/me', {
      apikey: stack().publishableKey,
      authorization: `Bearer ${token()}`,
    });
    expect(answer.status).toBe(401);
  });

  it('never grants what the migrations do not, not even to service_role', async () => {
    const refused = await service().from('closed').select();
    expect(refused.error).toMatchObject({ code: '42501' });
    const client = await signUp('grants@example.com');
    const answer = await client.from('closed').select();
    expect([answer.status, answer.error?.code]).toEqual([403, '42501']);
    const sql = postgres(stack().superuserDatabaseUrl, { max: 1 });
    const [row] = await sql`
      select has_table_privilege('anon', 'inner_part.things', 'select') as table_open,
             has_schema_privilege('anon', 'inner_part', 'usage') as schema_open`;
    await sql.end();
    expect(row).toEqual({ table_open: false, schema_open: false });
  });

  it('does not serve a schema that is not exposed', async () => {
    const answer = await service().schema('inner_part').from('things').select();
    expect([answer.status, answer.error?.code]).toEqual([406, 'PGRST106']);
  });
});

describe('supabase-js', () => {
  let alice: SupabaseClient;
  let bob: SupabaseClient;
  beforeAll(async () => {
    [alice, bob] = await Promise.all([signUp('alice@example.com'), signUp('bob@example.com')]);
  });

  it('signs up without a confirmation, logs in, and refuses a wrong password', async () => {
    const client = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
    const wrong = await client.auth.signInWithPassword({ email: 'alice@example.com', password: 'wrong' });
    expect(wrong.error?.status).toBe(400);
    const right = await client.auth.signInWithPassword({
      email: 'alice@example.com',
      password: 'correct horse',
    });
    expect(right.data.user?.email).toBe('alice@example.com');
    expect((await client.auth.getUser()).data.user?.id).toBe(right.data.user?.id);
    expect((await client.auth.refreshSession()).error).toBeNull();
  });

  it('shows a row to its owner and to no other user', async () => {
    const inserted = await alice.from('notes').insert({ title: 'mine' }).select().single();
    expect(inserted.error).toBeNull();
    const { id } = inserted.data;
    expect((await alice.from('notes').select('title').eq('id', id)).data).toEqual([{ title: 'mine' }]);
    expect((await bob.from('notes').select('title').eq('id', id)).data).toEqual([]);
    expect((await bob.from('notes').update({ title: 'his' }).eq('id', id).select()).data).toEqual([]);
    expect((await alice.from('notes').delete().eq('id', id).select('id')).data).toEqual([{ id }]);
  });

  it('refuses a row in the name of another user with 403 and 42501', async () => {
    const { data } = await bob.auth.getUser();
    const answer = await alice.from('notes').insert({ title: 'forged', user_id: data.user?.id });
    expect([answer.status, answer.error?.code]).toEqual([403, '42501']);
  });

  it('upserts on a unique column', async () => {
    const first = await alice
      .from('notes')
      .upsert({ slug: 's', title: 'one' }, { onConflict: 'slug' })
      .select();
    const second = await alice
      .from('notes')
      .upsert({ slug: 's', title: 'two' }, { onConflict: 'slug' })
      .select();
    expect(second.data).toMatchObject([{ id: first.data?.[0].id, title: 'two' }]);
    const ignored = await alice
      .from('notes')
      .upsert({ slug: 's', title: 'three' }, { onConflict: 'slug', ignoreDuplicates: true })
      .select();
    expect(ignored.data).toEqual([]);
  });

  it('keeps JSON of every kind as it is in a column', async () => {
    for (const data of [
      { a: [1, { b: null }] },
      'text',
      '{"looks":"like json"}',
      5,
      [1, 2],
      true,
      [false],
      null,
    ]) {
      const answer = await alice.from('notes').insert({ title: 'json', data }).select('data').single();
      expect(answer.data).toEqual({ data });
    }
  });

  it('finds rows by what their JSON contains', async () => {
    await alice.from('notes').insert({ title: 'contains', data: { tags: ['x', 'y'], n: 1 } });
    const found = await alice
      .from('notes')
      .select('title')
      .contains('data', { tags: ['y'] });
    expect(found.data).toEqual([{ title: 'contains' }]);
    expect((await alice.from('notes').select('title').eq('data->>n', '1')).data).toEqual([
      { title: 'contains' },
    ]);
  });

  it('counts exactly', async () => {
    await bob.from('notes').insert([{ title: '1' }, { title: '2' }, { title: '3' }]);
    const answer = await bob.from('notes').select('*', { count: 'exact', head: true });
    expect(answer.count).toBe(3);
  });
});

describe('the gateway', () => {
  it('answers a preflight for every method and the header fields asked for', async () => {
    const answer = await rest(
      'notes',
      {
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'apikey, x-mine',
        origin: 'http://localhost:5173',
      },
      { method: 'OPTIONS' },
    );
    expect(answer.ok).toBe(true);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('access-control-allow-methods')).toContain('PATCH');
    expect(answer.headers.get('access-control-allow-headers')).toContain('x-mine');
  });

  it('lets a page of any origin read an answer and a refusal', async () => {
    for (const apikey of [stack().secretKey, 'wrong']) {
      const answer = await rest('notes?limit=0', { apikey, origin: 'http://localhost:5173' });
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    }
  });

  it('answers 404 with message and code where nothing is served', async () => {
    const answer = await fetch(`${stack().url}/studio`);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ message: 'Nothing is served at /studio', code: 'not_found' });
  });

  it('sees a table made while it runs', async () => {
    const sql = postgres(stack().databaseUrl, { max: 1 });
    await sql`create table public.later (id int)`;
    await sql`grant select on public.later to service_role`;
    await sql.end();
    await vi.waitFor(async () => expect((await service().from('later').select()).error).toBeNull(), 5_000);
  });
});

it('knows a table that was made a moment ago, though the notice of it has not come yet', async () => {
  const sql = postgres(stack().superuserDatabaseUrl, { max: 1, onnotice: () => undefined });
  await service().from('notes').select();
  // As long as event triggers are off, no notice comes at all.
  await sql`set event_triggers = off`;
  await sql`create table public.just_made (id integer primary key)`;
  await sql`grant select, insert on public.just_made to service_role`;
  await sql.end();
  expect((await service().from('just_made').insert({ id: 1 })).status).toBe(201);
  expect((await service().from('never_made').select()).error).toMatchObject({ code: 'PGRST205' });
});
