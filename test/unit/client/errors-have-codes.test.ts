import type { SupabaseClient } from '@supabase/supabase-js';
import { expect, test } from 'vitest';
import { ensureRegistration } from '../../../src/device/client/browser-subscription.ts';
import { createPushClient, PushClientError } from '../../../src/device/client/index.ts';
import { fromRow, toRow } from '../../../src/device/client/rows.ts';
import { projectOf } from '../../../src/device/client/supabase.ts';
import type { Database } from '../../../src/server/database/types.generated.ts';

const supabase = {
  auth: { getSession: () => undefined, onAuthStateChange: () => undefined },
  from: () => undefined,
  rpc: () => undefined,
};
const project = projectOf(supabase);
const answer = (status: number, error: Record<string, unknown>) =>
  Promise.resolve({ data: null, status, error: { message: 'Said by the server.', ...error } });

test.each([
  [
    'ours',
    answer(429, { code: 'PT429', details: 'too_many_tests', hint: 'Later.' }),
    'too_many_tests',
    'Later.',
  ],
  ['ours without a hint', answer(400, { code: 'PT400', details: 'x', hint: null }), 'x', /status/],
  ['no answer', answer(0, { code: '', details: 'TypeError: fetch failed', hint: '' }), 'offline', /online/],
  ['a missing function', answer(404, { code: 'PGRST202' }), 'not_installed', /migrations/],
  ['a missing table', answer(404, { code: 'PGRST205' }), 'not_installed', /migrations/],
  ['a schema that is not served', answer(406, { code: 'PGRST106' }), 'schema_not_exposed', /Exposed schemas/],
  ['no session', answer(401, { code: '42501' }), 'not_signed_in', /Sign in/],
  ['a session that ran out', answer(401, { code: 'PGRST301' }), 'not_signed_in', /Sign in/],
  ['no right', answer(403, { code: '42501' }), 'forbidden', /Sign in/],
  ['a row that is not there', answer(406, { code: 'PGRST116' }), 'not_found', /again/],
  ['something else', answer(500, { code: 'XX000' }), 'failed', /status/],
  ['a gateway that is no API', answer(502, {}), 'failed', /status/],
])('%s has a code and says what to do', async (_what, query, code, hint) => {
  const error = await project.data(query).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(PushClientError);
  expect(error).toMatchObject({ name: 'PushClientError', code, hint: expect.stringMatching(hint) });
});

test('a service worker that is not there is named, and what is to be there', async () => {
  // What a server says that answers every unknown path with the page of the app.
  const cause = new DOMException(`The script has an unsupported MIME type ('text/html').`, 'SecurityError');
  const environment = { navigator: { serviceWorker: { register: () => Promise.reject(cause) } } };
  await expect(ensureRegistration(environment as never, {})).rejects.toMatchObject({
    code: 'service_worker_failed',
    message: '/sw.js could not be registered. Is node_modules/supapush/dist/sw.js served there?',
    hint: expect.stringMatching(/option serviceWorker/),
    cause,
  });
});

test('a session that cannot be renewed without a network is no sign-out', async () => {
  const asleep = (name: string) =>
    projectOf({
      auth: {
        getSession: async () => ({ data: { session: null }, error: { name } }),
        onAuthStateChange: () => undefined,
      },
      from: () => undefined,
      rpc: () => undefined,
    });
  await expect(asleep('AuthRetryableFetchError').userId()).rejects.toMatchObject({ code: 'offline' });
  expect(await asleep('AuthApiError').userId()).toBeNull();
});

test('tables are those of schema public, whatever the default of the client', () => {
  const asked: string[] = [];
  const api = (schema: string) => ({
    from: (table: string) => asked.push(`${schema}.${table}`),
    rpc: () => undefined,
  });
  const auth = { getSession: () => undefined, onAuthStateChange: () => undefined };
  projectOf({ auth, ...api('api'), schema: api } as never).from('push_topics');
  projectOf({ auth, ...api('only') }).from('push_topics');
  expect(asked).toEqual(['public.push_topics', 'only.push_topics']);
});

test('functions answer where the project is, unless the app says otherwise', () => {
  const client = { ...supabase, supabaseUrl: 'https://x.supabase.co' } as never;
  expect(projectOf(client).functionsUrl).toBe('https://x.supabase.co/functions/v1');
  expect(projectOf(client, { functionsUrl: 'https://fn.example/' }).functionsUrl).toBe('https://fn.example');
});

test('clients of every database type are accepted', () => {
  // Compiled, not run: what an app's types say of its database makes no difference.
  const accept = [
    (client: SupabaseClient) => createPushClient(client),
    (client: SupabaseClient<Database>) => createPushClient(client),
    (client: SupabaseClient<{ api: Database['public'] }, 'api'>) => createPushClient(client),
  ];
  expect(accept).toHaveLength(3);
});

test('names change at the border, values inside do not', () => {
  const row = {
    quiet_from: '22:00:00',
    quiet_until: '07:00:30',
    params: { a_b: 1 },
    title: '10:00:00',
    times_fired: 0,
  };
  const value = {
    quietFrom: '22:00',
    quietUntil: '07:00:30',
    params: { a_b: 1 },
    title: '10:00:00',
    timesFired: 0,
  };
  expect(fromRow(row)).toEqual(value);
  expect(toRow(value)).toEqual({ ...row, quiet_from: '22:00' });
});
