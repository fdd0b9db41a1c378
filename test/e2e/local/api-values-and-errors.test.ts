import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { useStack } from '../../support/stack.ts';
import { API_MIGRATION } from './api-migration.ts';
import { makeProject, type TempProject } from './temp-project.ts';

let project: TempProject;
const stack = useStack(async () => {
  project = await makeProject({ 'migrations/20260101000000_notes.sql': API_MIGRATION });
  return { projectDirectory: project.directory };
});
afterAll(() => project.remove());

const service = (): SupabaseClient =>
  createClient(stack().url, stack().secretKey, { auth: { persistSession: false } });

async function signUp(email: string): Promise<SupabaseClient> {
  const client = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
  const { error } = await client.auth.signUp({ email, password: 'correct horse' });
  if (error) throw error;
  return client;
}

describe('values', () => {
  it('writes values as PostgREST does', async () => {
    const sql = postgres(stack().superuserDatabaseUrl, { max: 1 });
    await sql`
      insert into public.kinds values (
        1, '2026-11-21 00:31:26.1+00', '{2026-11-21 00:31:26+00}', '2026-11-21 00:31:26.1', '2026-11-21', '12:00',
        1.10, '{1.50,2}', 9007199254740991, '\\x00ff', '{"a": 1}', '{"a": 1}', '1 day 02:00', true)`;
    const [native] = await sql<
      { row: unknown }[]
    >`select to_jsonb(k) as row from public.kinds as k where id = 1`;
    await sql.end();
    const { data } = await service().from('kinds').select().eq('id', 1).single();
    expect(data).toEqual(native?.row);
    expect(data).toMatchObject({
      at: '2026-11-21T00:31:26.1+00:00',
      local_at: '2026-11-21T00:31:26.1',
      amount: 1.1,
      raw: '\\x00ff',
    });
  });

  it('takes back what it wrote', async () => {
    const row = {
      id: 2,
      at: '2026-11-21T00:31:26.123456+00:00',
      ats: ['2026-11-21T00:31:26+00:00'],
      amount: 12.5,
      amounts: [0.5],
      raw: '\\xdeadbeef',
      docb: { deep: [{ er: 1 }] },
    };
    const { data, error } = await service().from('kinds').insert(row).select().single();
    expect(error).toBeNull();
    expect(data).toMatchObject(row);
  });

  it.each([
    [{ a: 1 }, 'object'],
    [[1], 'array'],
    ['text', 'string'],
    ['{"looks":"like json"}', 'string'],
    [5, 'number'],
    [false, 'boolean'],
  ])('hands %j to a jsonb argument as %s', async (p, kind) => {
    expect((await service().rpc('kind_of', { p })).data).toBe(kind);
  });

  it('reads a jsonb argument of a GET from its text', async () => {
    expect((await service().rpc('kind_of', { p: '{"a":1}' }, { get: true })).data).toBe('object');
  });

  it('hands over arrays, times and text beside JSON', async () => {
    const id = 'd2719f1c-9b0a-4b0e-8f0e-1d4c1c6c0a11';
    const { data, error } = await service().rpc('echo', {
      p_doc: { url: 'https://example.com/?a=1', n: 1.5 },
      p_ids: [id],
      p_at: '2026-11-21T00:31:26+00:00',
      p_name: '{not json}',
    });
    expect(error).toBeNull();
    expect(data).toEqual({
      doc: { url: 'https://example.com/?a=1', n: 1.5 },
      ids: [id],
      at: '2026-11-21T00:31:26+00:00',
      name: '{not json}',
    });
  });
});

describe('errors', () => {
  it.each([
    ['PT400', 400],
    ['PT409', 409],
    ['PT422', 422],
    ['PT429', 429],
    ['P0001', 400],
    ['22023', 400],
    ['23514', 400],
    ['23505', 409],
    ['42501', 403],
    ['ZZ001', 400],
    ['55P03', 500],
    ['57014', 500],
    ['40002', 500],
    ['21000', 500],
    ['22P02', 400],
    ['23502', 400],
    ['25006', 405],
    ['42P01', 404],
    ['42601', 400],
    ['54001', 500],
    ['53300', 503],
  ])('answers SQLSTATE %s with %i, its code, message, details and hint', async (code, status) => {
    const answer = await service().rpc('fail', { p_code: code });
    expect(answer.status).toBe(status);
    expect(answer.error).toMatchObject({
      code,
      message: 'refused',
      details: 'machine_code',
      hint: 'do this',
    });
  });

  it('answers a violated check constraint with 400 and 23514', async () => {
    const client = await signUp('constraint@example.com');
    const answer = await client.from('notes').insert({ title: 'x'.repeat(200) });
    expect([answer.status, answer.error?.code]).toEqual([400, '23514']);
  });

  it('leaves the console to the tests', async () => {
    const print = vi.spyOn(console, 'error');
    await service().rpc('fail', { p_code: 'PT409' });
    expect(print).not.toHaveBeenCalled();
  });
});
