import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tlsOf } from '../../../src/cli/database-tls.ts';
import { withDatabase } from '../../../src/cli/open-database.ts';
import { withSnapshot } from '../../../src/cli/uninstall/rows.ts';
import { createCertificate } from '../../bench/harness/certificate.ts';

const HOSTED = 'postgresql://postgres:secret@db.abcdefghijklmnopqrst.supabase.co:5432/postgres';
const CERTIFICATE = createCertificate();

let folder: string;
let authority: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supapush-tls-'));
  authority = join(folder, 'ca.crt');
  await writeFile(authority, CERTIFICATE.authority);
});
afterAll(() => rm(folder, { recursive: true }));

const tls = (url: string, env: NodeJS.ProcessEnv = {}) => tlsOf(url, env).tls;

test.each([
  HOSTED,
  'postgresql://postgres.ref:secret@aws-0-eu-central-1.pooler.supabase.com:6543/postgres',
  'postgresql://postgres:secret@192.168.1.10:5432/postgres',
  'postgresql://postgres:secret@localhost.example.com/postgres',
  'postgresql://postgres:secret@127.example.com/postgres',
])('%s is spoken to encrypted', (url) => {
  expect(tls(url)).toBe('require');
  expect(tls(`${url}?sslmode=disable`)).toBe(false);
  expect(tls(`${url}?ssl=false`)).toBe(false);
  expect(tls(`${url}?sslmode=allow`)).toBe('prefer');
  expect(tls(url, { PGSSLMODE: 'disable' })).toBe(false);
  expect(tls(`${url}?sslmode=require`, { PGSSLMODE: 'disable' })).toBe('require');
});

test.each(['localhost', '127.0.0.1', '[::1]', 'db.localhost', '%2Ftmp'])(
  '%s is this machine: not encrypted, unless asked for',
  (host) => {
    expect(tls(`postgresql://postgres:secret@${host}/postgres`)).toBe(false);
    expect(tls(`postgresql://postgres:secret@${host}/postgres?sslmode=require`)).toBe('require');
    expect(tls(`postgresql://postgres:secret@${host}/postgres?ssl=true`)).toBe('require');
  },
);

test.each(['db', 'supabase_db_app', 'host.docker.internal', 'host.containers.internal'])(
  '%s is a container or a machine beside this one: encrypted where it can be',
  (host) => {
    expect(tls(`postgresql://postgres:secret@${host}:54322/postgres`)).toBe('prefer');
    expect(tls(`postgresql://postgres:secret@${host}/postgres?sslmode=require`)).toBe('require');
  },
);

test('without a host it is that of PGHOST', () => {
  expect(tls('postgresql:///postgres')).toBe(false);
  expect(tls('postgresql:///postgres', { PGHOST: '/var/run/postgresql' })).toBe(false);
  expect(tls('postgresql:///postgres', { PGHOST: 'db.example.com' })).toBe('require');
});

test('a certificate to trust is verified by, and the name in it where that is asked for', () => {
  const ca = CERTIFICATE.authority;
  const anyName = expect.any(Function);
  const verified = { rejectUnauthorized: true };
  expect(tls(`${HOSTED}?sslmode=verify-full&sslrootcert=${authority}`)).toEqual({ ...verified, ca });
  expect(tls(`${HOSTED}?sslmode=verify-full`, { PGSSLROOTCERT: authority })).toEqual({ ...verified, ca });
  expect(tls(`${HOSTED}?sslrootcert=${authority}`)).toEqual({
    ...verified,
    ca,
    checkServerIdentity: anyName,
  });
  expect(tls(`${HOSTED}?sslmode=verify-ca`)).toEqual({ ...verified, checkServerIdentity: anyName });
  expect(tls(`${HOSTED}?sslrootcert=system`)).toEqual(verified);
});

test('what the server would refuse as a setting is taken out of the URL, and nothing else', () => {
  const { url } = tlsOf(`${HOSTED}?sslmode=verify-full&sslrootcert=system&application_name=x`, {});
  expect(url).toBe(`${HOSTED}?application_name=x`);
  expect(tlsOf(`${HOSTED}?application_name=a%20b`, {}).url).toBe(`${HOSTED}?application_name=a%20b`);
});

test.each(['sslmode=on', 'sslrootcert=/nowhere/ca.crt'])('%s is called wrongly', (setting) => {
  expect(() => tls(`${HOSTED}?${setting}`)).toThrow(expect.objectContaining({ code: 'usage' }));
});

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Answers as a Postgres that takes TLS, or does not; what it was sent in clear, and what through TLS. */
async function withServer(
  answer: 'S' | 'N',
  work: (port: number) => Promise<unknown>,
): Promise<{ clear: string; hidden: string; error: Error }> {
  const heard = { clear: '', hidden: '' };
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket.on('error', () => {}));
    socket.once('data', (first) => {
      heard.clear += first.toString('latin1');
      if (!first.equals(SSL_REQUEST)) return refuse(socket);
      socket.write(answer);
      if (answer === 'N')
        return socket.once('data', (next) => {
          heard.clear += next.toString('latin1');
          socket.destroy();
        });
      const { certificate, privateKey } = CERTIFICATE;
      const secured = new TLSSocket(socket, { isServer: true, cert: certificate, key: privateKey });
      secured.on('error', () => {});
      secured.once('data', (startup) => {
        heard.hidden += startup.toString('latin1');
        refuse(secured);
      });
    });
  }).listen(0);
  await once(server, 'listening');
  const outcome = await work((server.address() as AddressInfo).port).catch((error: unknown) => error);
  for (const socket of open) socket.destroy();
  server.close();
  return { ...heard, error: outcome as Error };
}

/** With an ErrorResponse, which ends the connection. */
function refuse(socket: Socket): void {
  const fields = Buffer.from('SFATAL\0C28P01\0Mnot with this password\0\0');
  const head = Buffer.alloc(5, 'E');
  head.writeInt32BE(fields.length + 4, 1);
  socket.end(Buffer.concat([head, fields]));
}

// 0.0.0.0 leads to this machine, and is none of its names.
const far = (port: number, settings = '') =>
  `postgresql://postgres:secret@0.0.0.0:${port}/postgres${settings}`;
const near = (port: number, settings = '') =>
  `postgresql://postgres:secret@127.0.0.1:${port}/postgres${settings}`;
const select = (url: string) => withDatabase(url, (sql) => sql`select 1`);

test.each([
  ['every command', select],
  ['the export', (url: string) => withSnapshot(url, async () => null)],
])('%s says nothing in clear to another machine', async (_, work) => {
  const { clear, hidden, error } = await withServer('S', (port) => work(far(port)));
  expect(clear).toBe(SSL_REQUEST.toString('latin1'));
  expect(hidden).toContain('user\0postgres');
  expect(error).toMatchObject({ code: '28P01' });
});

test('a server without TLS is not told who asks, and the error says what to do', async () => {
  const { clear, error } = await withServer('N', (port) => select(far(port)));
  expect(clear).not.toContain('postgres');
  expect(error.message).toMatch(/no encrypted connection.*\?sslmode=disable/);
  expect(error.message).not.toContain('secret');
  const asked = await withServer('N', (port) => select(far(port, '?sslmode=disable')));
  expect(asked.clear).toContain('user\0postgres');
});

test('verify-full refuses a certificate that is not trusted, before the server is told who asks', async () => {
  const refused = await withServer('S', (port) => select(near(port, '?sslmode=verify-full')));
  expect(refused.hidden).toBe('');
  expect(refused.error.message).toMatch(/not one that is trusted.*sslrootcert=/);
  const trusted = await withServer('S', (port) =>
    select(near(port, `?sslmode=verify-full&sslrootcert=${authority}`)),
  );
  expect(trusted.hidden).toContain('user\0postgres');
  const misnamed = await withServer('S', (port) =>
    select(far(port, `?sslmode=verify-full&sslrootcert=${authority}`)),
  );
  expect(misnamed.hidden).toBe('');
});
