import { columns, styled } from '../terminal.ts';
import type { AppStack } from './app-stack.ts';

/** The names of `supabase status -o json`, and ours. */
export function statusOf(stack: AppStack): Record<string, string> {
  return {
    API_URL: stack.url,
    REST_URL: `${stack.url}/rest/v1`,
    FUNCTIONS_URL: `${stack.url}/functions/v1`,
    DB_URL: stack.databaseUrl,
    PUBLISHABLE_KEY: stack.publishableKey,
    SECRET_KEY: stack.secretKey,
    ANON_KEY: stack.anonKey,
    SERVICE_ROLE_KEY: stack.serviceRoleKey,
    JWT_SECRET: stack.jwtSecret,
    PUSH_SERVICE_URL: stack.pushServiceUrl,
    VAPID_PUBLIC_KEY: stack.vapidPublicKey,
  };
}

/**
 * The table that a person reads, with what was left out and what does not run above it.
 *
 * @param init the command that puts Supapush into the project, where it is not there
 */
export function describeStack(stack: AppStack, init: string | undefined): string {
  const rows = [
    ['Project URL', stack.url],
    ['REST', `${stack.url}/rest/v1`],
    ['Edge Functions', `${stack.url}/functions/v1`],
    ['Database', stack.databaseUrl],
    ['Publishable', stack.publishableKey],
    ['Secret', stack.secretKey],
    ['Anon key', stack.anonKey],
    ['Service role key', stack.serviceRoleKey],
    ['JWT secret', stack.jwtSecret],
    ['Push service', stack.pushServiceUrl],
    ['VAPID public key', stack.vapidPublicKey],
  ];
  const table = columns(rows, (cell, _, column) => (column === 0 ? styled('dim', cell) : cell));
  return [
    ...problemsOf(stack),
    '',
    styled('bold', 'Your project runs.'),
    '',
    ...table.map((line) => `  ${line}`),
    '',
    ...(init === undefined ? [] : [`Supapush is not in this project yet: ${init}`, '']),
    styled(
      'dim',
      'Ctrl-C stops it; the database is kept. --reset starts over, --json prints these values for programs.',
    ),
  ].join('\n');
}

/** What a person has to know before they wonder why something is not there. */
export function problemsOf({ skipped, functions, notes }: AppStack): string[] {
  const left = skipped.map(({ place, statement, reason }) => `  ${place}: ${statement}\n      ${reason}`);
  const failed = functions.filter(({ state }) => state === 'failed');
  const starting = functions.filter(({ state }) => state === 'starting').map(({ name }) => name);
  return [
    ...(left.length === 0 ? [] : ['', `Left out, ${left.length} statements:`, ...left]),
    ...(failed.length === 0 ? [] : ['', 'These functions do not start; the others do:']),
    ...failed.map(({ name, reason = '' }) => `  ${name}: ${reason.replaceAll('\n', '\n      ')}`),
    ...(starting.length === 0 ? [] : ['', `Still starting: ${starting.join(', ')}`]),
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ];
}
