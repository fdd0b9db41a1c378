import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { SupapushError } from '../shared/errors.ts';

/** How a connection is encrypted: not at all, where the server can, or always; with the options of `tls.connect()` it is verified too. */
export type Tls = false | 'prefer' | 'require' | ConnectionOptions;

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
/** What the driver would hand to the server as settings, which refuses them. */
const NAMES = ['sslmode', 'ssl', 'sslrootcert'];

/**
 * How to encrypt what is sent to a database, by `sslmode` and `sslrootcert` of its URL or by PGSSLMODE and PGSSLROOTCERT, as libpq reads
 * them. Where none is set, always, unless the database is on this machine, or in a container beside it. `url` is without them.
 *
 * Throws `usage` for a mode that there is not, and for a certificate that cannot be read.
 */
export function tlsOf(databaseUrl: string, env: NodeJS.ProcessEnv): { url: string; tls: Tls } {
  const url = new URL(databaseUrl);
  const given = (name: string) => url.searchParams.get(name) || undefined;
  const certificate = given('sslrootcert') ?? env.PGSSLROOTCERT;
  const asked = given('sslmode') ?? SHORT[given('ssl') ?? ''] ?? given('ssl') ?? env.PGSSLMODE;
  const host = url.hostname || env.PGHOST || 'localhost';
  const usual = isHere(host) ? 'disable' : isBeside(host) ? 'prefer' : 'require';
  const mode = asked || (certificate === 'system' ? 'verify-full' : usual);
  if (!MODES.includes(mode))
    throw new SupapushError('usage', `sslmode of the database URL is one of ${MODES.join(', ')}.`);
  const tls = tlsFor(mode, certificate, url.hostname);
  const set = NAMES.filter((name) => url.searchParams.has(name));
  for (const name of set) url.searchParams.delete(name);
  return { url: set.length === 0 ? databaseUrl : url.href, tls };
}

/** What JDBC and other drivers call it. */
const SHORT: Record<string, string> = { true: 'require', 1: 'require', false: 'disable', 0: 'disable' };

function tlsFor(mode: string, certificate: string | undefined, host: string): Tls {
  if (mode === 'disable') return false;
  if (mode === 'allow' || mode === 'prefer') return 'prefer';
  const ca = certificate === undefined || certificate === 'system' ? undefined : readCertificate(certificate);
  if (mode === 'require' && ca === undefined) return 'require';
  const verified = { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) };
  // With a certificate to trust, libpq verifies by it also where the mode is require; but not whose name is in it.
  if (mode !== 'verify-full') return { ...verified, checkServerIdentity: () => undefined };
  // The driver names no address, and Node would look for localhost in the certificate.
  return isIP(host) === 0 ? verified : { ...verified, host };
}

/** Whether what is sent to a host does not leave this machine: loopback, or a socket of the file system. */
function isHere(host: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[?::1\]?|(\/|%2f).*)$/i.test(host);
}

/** Whether a host is a container or a machine of the own network, as `db` and `host.docker.internal`: hosted databases have a domain. */
function isBeside(host: string): boolean {
  return /^([^.:[\]]+|.*\.(docker|containers)\.internal)$/i.test(host);
}

function readCertificate(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new SupapushError('usage', `sslrootcert of the database URL cannot be read: ${file}`, {
      cause: error,
    });
  }
}

/** Certificates that were not accepted. */
const REFUSED = /CERT|SIGNATURE|ISSUER/;
/** What becomes of a handshake with a server that answers with something else. */
const BROKEN = /^(ECONNRESET|EPROTO|CONNECTION_CLOSED|CONNECTION_ENDED|ERR_SSL_.*)$/;

/** What to do where the encryption is why a connection failed; undefined where it is not. */
export function tlsFault(error: unknown, tls: Tls): string | undefined {
  const { code } = { ...(error as { code?: string }) };
  if (tls === false || tls === 'prefer' || code === undefined) return undefined;
  if (REFUSED.test(code))
    return "The certificate of the database is not one that is trusted: give the project's (Dashboard → Database → SSL) with sslrootcert=<file> in the database URL.";
  if (BROKEN.test(code))
    return 'The connection broke. If it does so each time, the database may take no encrypted connection: where the way to it is private, add ?sslmode=disable to the database URL.';
  return undefined;
}
