import { createClient } from '@supabase/supabase-js';
import { afterAll, describe, expect, inject, it, vi } from 'vitest';
import { legacyKeys } from '../../../tools/local/functions/user-jwt.ts';
import { startStack } from '../../../tools/local/stack.ts';
import { useStack } from '../../support/stack.ts';
import { makeProject, type TempProject } from './temp-project.ts';

const CONFIG = `
[functions.open]
verify_jwt = false
[functions.broken]
verify_jwt = false
[functions.mapped]
verify_jwt = false
import_map = "./functions/mapped/import_map.json"
[functions.late]
verify_jwt = false
[functions.off]
enabled = false
`;

const OPEN = `
Deno.serve(async (request) => {
  const url = new URL(request.url);
  const action = url.pathname.split('/')[2];
  if (action === 'env') return Response.json(Deno.env.toObject());
  if (action === 'log') { console.log('said on stdout'); console.error('said on stderr'); return new Response('ok'); }
  if (action === 'hang') { console.log('hanging'); await new Promise(() => {}); }
  if (action === 'write') {
    try { Deno.writeTextFileSync('written', ''); return new Response('written'); }
    catch (error) { return new Response(error.name, { status: 403 }); }
  }
  if (action === 'status') return new Response('teapot', { status: 418, headers: { 'x-mine': 'a' } });
  if (action === 'echo') return new Response(request.body);
  return Response.json({
    method: request.method, path: url.pathname + url.search, body: await request.text(), pid: Deno.pid,
    mine: request.headers.get('x-mine'), origin: request.headers.get('origin'),
  });
});
`;

let project: TempProject;
const stack = useStack(async () => {
  // What a function must not see.
  process.env.PARENTS_SECRET = 'not for functions';
  project = await makeProject({
    'config.toml': CONFIG,
    'functions/open/index.ts': OPEN,
    'functions/guarded/index.ts': `Deno.serve(() => new Response('in'));`,
    'functions/mapped/index.ts': `import { word } from 'the-word'; Deno.serve(() => new Response(word));`,
    'functions/mapped/import_map.json': `{ "imports": { "the-word": "./word.ts" } }`,
    'functions/mapped/word.ts': `export const word: string = 'mapped';`,
    'functions/late/index.ts': `Deno.serve(() => Response.json({ pid: Deno.pid }));`,
    'functions/off/index.ts': `Deno.serve(() => new Response('on'));`,
    'functions/_shared/index.ts': `Deno.serve(() => new Response('shared'));`,
  });
  const functions = ['open', 'guarded', 'mapped'];
  return { projectDirectory: project.directory, secrets: { OWN_SECRET: 'own' }, functions };
});
afterAll(() => {
  delete process.env.PARENTS_SECRET;
  return project.remove();
});

const call = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${stack().url}/functions/v1/${path}`, init);

describe('a request', () => {
  it('reaches the function with method, path below its name, query, header fields and body', async () => {
    const answer = await call('open/a/b?c=d', {
      method: 'PATCH',
      body: 'hello',
      headers: { 'x-mine': 'yes' },
    });
    expect(await answer.json()).toMatchObject({
      method: 'PATCH',
      path: '/open/a/b?c=d',
      body: 'hello',
      mine: 'yes',
    });
  });

  it('gets the status and header fields of the answer', async () => {
    const answer = await call('open/status');
    expect([answer.status, answer.headers.get('x-mine'), await answer.text()]).toEqual([418, 'a', 'teapot']);
  });

  it('streams both ways', async () => {
    const parts = new TransformStream<Uint8Array, Uint8Array>();
    const writer = parts.writable.getWriter();
    const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
    const calling = call('open/echo', {
      method: 'POST',
      body: parts.readable,
      duplex: 'half',
    } as RequestInit);
    await writer.write(encode('first'));
    const answer = await calling;
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    const read = async (): Promise<string> => Buffer.from((await reader.read()).value ?? []).toString();
    expect(await read()).toBe('first');
    await writer.write(encode('second'));
    expect(await read()).toBe('second');
    await writer.close();
    expect((await reader.read()).done).toBe(true);
  });

  it('takes a preflight to the function itself, as on the platform', async () => {
    const answer = await call('open/x', {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' },
    });
    expect(await answer.json()).toMatchObject({ method: 'OPTIONS', origin: 'http://localhost:5173' });
  });

  it.each(['unknown', 'off', '_shared', ''])(
    'for "%s", which is not served, is answered 404',
    async (name) => {
      const answer = await call(name);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toEqual({ message: expect.any(String), code: 'NOT_FOUND' });
    },
  );

  it('finds modules by the import map of config.toml', async () => {
    expect(await (await call('mapped')).text()).toBe('mapped');
  });
});

describe('verify_jwt', () => {
  it('lets a user session through', async () => {
    const client = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
    await client.auth.signUp({ email: 'someone@example.com', password: 'correct horse' });
    const { data, error } = await client.functions.invoke('guarded');
    expect([error, data]).toEqual([null, 'in']);
  });

  it.each([
    ['no token', undefined],
    ['a publishable key', () => `Bearer ${stack().publishableKey}`],
    ['a secret key', () => `Bearer ${stack().secretKey}`],
    ['an unsigned token', () => 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiZXhwIjo0MDAwMDAwMDAwfQ.'],
    ['another scheme', () => 'Basic eDp5'],
  ])('refuses %s with 401', async (_, authorization) => {
    const answer = await call(
      'guarded',
      authorization ? { headers: { authorization: authorization() } } : {},
    );
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({
      message: expect.any(String),
      code: expect.stringMatching(/^UNAUTHORIZED/),
    });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('refuses a session whose signature was changed', async () => {
    const client = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
    const { data } = await client.auth.signUp({ email: 'forger@example.com', password: 'correct horse' });
    const [head, , signature] = (data.session?.access_token ?? '').split('.');
    const claims = Buffer.from(JSON.stringify({ role: 'service_role', exp: 4e9 })).toString('base64url');
    const answer = await call('guarded', {
      headers: { authorization: `Bearer ${head}.${claims}.${signature}` },
    });
    expect(answer.status).toBe(401);
  });
});

describe('the process of a function', () => {
  it("sees the platform's variables and its own secrets, and none of the parent's", async () => {
    const { PATH, HOME, TMPDIR, DENO_DIR, ...environment } = await (await call('open/env')).json();
    expect(environment).toEqual({
      SUPABASE_URL: stack().url,
      ...legacyKeys(stack().jwtSecret),
      SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: stack().publishableKey }),
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: stack().secretKey }),
      SUPABASE_DB_URL: stack().databaseUrl,
      VAPID_PUBLIC_KEY: stack().vapidPublicKey,
      VAPID_PRIVATE_KEY: expect.any(String),
      VAPID_SUBJECT: expect.stringMatching(/^mailto:/),
      PUSH_BELL_SECRET: expect.any(String),
      FCM_SERVICE_ACCOUNT: expect.any(String),
      OWN_SECRET: 'own',
      DENO_NO_UPDATE_CHECK: '1',
      NO_COLOR: '1',
      DENO_SERVE_ADDRESS: expect.stringMatching(/^tcp:127\.0\.0\.1:/),
    });
  });

  it('cannot write files', async () => {
    expect(await (await call('open/write')).text()).toBe('NotCapable');
  });

  it('is started again after a kill, and a request waits for that', async () => {
    const before = (await (await call('open')).json()).pid;
    stack().functions?.kill9('open');
    const after = (await (await call('open')).json()).pid;
    expect(after).not.toBe(before);
    expect(stack().functions?.pid('open')).toBe(after);
  });

  it('that was not to be up with the stack starts with its first request', async () => {
    expect(stack().functions?.names).toContain('late');
    expect(stack().functions?.pid('late')).toBeUndefined();
    const { pid } = await (await call('late')).json();
    expect(stack().functions?.pid('late')).toBe(pid);
    expect(stack().pids()).toContain(pid);
  });

  it('that is killed under a request answers it with 502', async () => {
    const hanging = call('open/hang', { method: 'POST', body: 'x' });
    await vi.waitFor(() => expect(stack.log()).toContain('open: hanging'));
    stack().functions?.kill9('open');
    const answer = await hanging;
    expect(answer.status).toBe(502);
    expect(await answer.json()).toEqual({ message: expect.any(String), code: 'function_crashed' });
  });

  it('is heard in the log', async () => {
    await call('open/log');
    await vi.waitFor(() => {
      expect(stack.log()).toContain('open: said on stdout');
      expect(stack.log()).toContain('open: said on stderr');
    });
  });
});

describe('a stack', () => {
  it('does not start with a function that cannot, and says why', async () => {
    const broken = await makeProject({ 'functions/broken/index.ts': `throw new Error('the reason');` });
    await expect(
      startStack({ projectDirectory: broken.directory, cluster: inject('emptyCluster') }),
    ).rejects.toThrow(/broken.*the reason/s);
    await broken.remove();
  });

  it('refuses a secret with a name of the platform', async () => {
    const starting = startStack({
      projectDirectory: project.directory,
      cluster: inject('emptyCluster'),
      secrets: { SUPABASE_MINE: 'x' },
    });
    await expect(starting).rejects.toMatchObject({ code: 'secret_name_reserved' });
  });
});
