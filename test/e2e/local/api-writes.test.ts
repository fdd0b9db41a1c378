import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { useStack } from '../../support/stack.ts';
import { API_MIGRATION } from './api-migration.ts';
import { makeProject, type TempProject } from './temp-project.ts';

let project: TempProject;
let sql: postgres.Sql;
const stack = useStack(async () => {
  project = await makeProject({ 'migrations/20260101000000_notes.sql': API_MIGRATION });
  return { projectDirectory: project.directory };
});
beforeAll(() => {
  sql = postgres(stack().superuserDatabaseUrl, { max: 1 });
});
beforeEach(async () => {
  await sql`truncate public.defaults`;
});
afterAll(async () => {
  await sql.end();
  await project.remove();
});

const service = (): SupabaseClient =>
  createClient(stack().url, stack().secretKey, { auth: { persistSession: false } });
const defaults = () => sql`select * from public.defaults order by id`;

describe('without a filter', () => {
  beforeEach(async () => {
    await sql`insert into public.defaults (id) values (1), (2)`;
  });

  it.each([
    ['UPDATE', () => service().from('defaults').update({ level: 1 })],
    ['UPDATE', () => service().from('defaults').update({ level: 1 }).select()],
    ['UPDATE', () => service().from('defaults').update({ level: 1 }).order('id').limit(1)],
    ['DELETE', () => service().from('defaults').delete()],
  ] as const)('refuses an %s, even from the service role, and changes nothing', async (command, write) => {
    const { status, error } = await write();
    expect([status, error]).toEqual([
      400,
      expect.objectContaining({ code: '21000', message: `${command} requires a WHERE clause` }),
    ]);
    expect(await defaults()).toMatchObject([{ level: 7 }, { level: 7 }]);
  });

  it('takes one that has a filter, be it one that everything passes', async () => {
    expect((await service().from('defaults').update({ level: 1 }).gt('id', 0)).error).toBeNull();
    expect(await defaults()).toMatchObject([{ level: 1 }, { level: 1 }]);
    expect((await service().from('defaults').delete().gt('id', 0)).error).toBeNull();
    expect(await defaults()).toEqual([]);
  });
});

describe('rows of different keys', () => {
  const rows = [{ id: 1, note: 'one' }, { id: 2 }];

  it('get NULL for what they lack', async () => {
    const { data, error } = await service().from('defaults').insert(rows).select();
    expect(error).toBeNull();
    expect(data).toEqual([
      { id: 1, note: 'one', level: 7 },
      { id: 2, note: null, level: 7 },
    ]);
    expect(await defaults()).toEqual(data);
  });

  it('are refused where NULL is', async () => {
    const { status, error } = await service()
      .from('defaults')
      .upsert([{ id: 1, level: 1 }, { id: 2 }]);
    expect([status, error?.code]).toEqual([400, '23502']);
    expect(await defaults()).toEqual([]);
  });

  it.each(['insert', 'upsert'] as const)('get defaults where an %s asks for them', async (write) => {
    const { data, error } = await service()
      .from('defaults')
      [write]([...rows, { id: 3, level: 1 }], { defaultToNull: false })
      .select();
    expect(error).toBeNull();
    expect(data).toEqual([
      { id: 1, note: 'one', level: 7 },
      { id: 2, note: 'none', level: 7 },
      { id: 3, note: 'none', level: 1 },
    ]);
    expect(await defaults()).toEqual(data);
  });

  it('are refused as a whole where no columns are named', async () => {
    const answer = await fetch(`${stack().url}/rest/v1/defaults`, {
      method: 'POST',
      headers: { apikey: stack().secretKey, 'content-type': 'application/json' },
      body: JSON.stringify(rows),
    });
    expect([answer.status, (await answer.json()).code]).toEqual([400, 'PGRST102']);
  });

  it('may lack every column that is named', async () => {
    const answer = await fetch(`${stack().url}/rest/v1/defaults?columns=id,note`, {
      method: 'POST',
      headers: { apikey: stack().secretKey, 'content-type': 'application/json' },
      body: JSON.stringify([{ id: 1 }]),
    });
    expect(answer.status).toBe(201);
    expect(await defaults()).toEqual([{ id: 1, note: null, level: 7 }]);
  });
});

describe('a conflict with other transactions', () => {
  const attempts = async () => Number((await sql`select last_value from public.attempts`)[0]?.last_value);
  beforeEach(async () => {
    await sql`alter sequence public.attempts restart`;
  });

  it.each(['40001', '40P01'])('of SQLSTATE %s is tried again until there is none', async (code) => {
    const { data, error } = await service().rpc('clash', { p_times: 5, p_code: code });
    expect([data, error]).toEqual([5, null]);
  });

  it('that never ends is not answered, and ends when the client gives up', async () => {
    const patience = new AbortController();
    const answered = service()
      .rpc('clash', { p_times: 1e9, p_code: '40001' })
      .abortSignal(patience.signal)
      .then(({ error }) => error?.message);
    await eventually(attempts, (count) => count > 50);
    patience.abort();
    expect(await answered).toContain('Abort');
    let last = 0;
    const rise = async () => {
      const before = last;
      last = await attempts();
      return last - before;
    };
    await eventually(rise, (count) => count === 0);
  });
});
