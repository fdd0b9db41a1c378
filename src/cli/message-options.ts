import type postgres from 'postgres';
import { SupapushError } from '../shared/errors.ts';
import { parseJson } from '../shared/parse-json.ts';

/** The options by which commands are told a message, for `parseArgs`. */
export const MESSAGE_OPTIONS = {
  title: { type: 'string' },
  body: { type: 'string' },
  url: { type: 'string' },
  category: { type: 'string' },
  urgency: { type: 'string' },
  template: { type: 'string' },
  params: { type: 'string' },
  message: { type: 'string' },
  device: { type: 'string' },
} as const;

export const MESSAGE_USAGE = `  --title, --body, --url, --category, --urgency, --template
                     what it says, as in push.notify()
  --params <json>    values for the template, or data for the device
  --message <json>   all of it, or what else there is: {"title": "Hello", "ttl": 600}
  --device <id>      this device alone: the id of a row in push_subscriptions. It says whose it is`;

type Values = { [Name in keyof typeof MESSAGE_OPTIONS]?: string | undefined };

/** A message as `push.message_from()` reads it. Throws `usage` where it says nothing. */
export function messageOf({ device: _, message, params, ...values }: Values): Record<string, unknown> {
  const said = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  const whole = {
    ...objectOf('--message', message),
    ...said,
    ...(params === undefined ? {} : { params: objectOf('--params', params) }),
  };
  if (!('title' in whole) && !('template' in whole))
    throw new SupapushError('usage', 'Say what: --title, --template, or --message with one of them.');
  return whole;
}

function objectOf(option: string, text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SupapushError('usage', `${option} must be a JSON object, such as {"title": "Hello"}.`);
  return value as Record<string, unknown>;
}

/** Whom a message is for. */
export interface Recipient {
  id: string;
  email: string | null;
  /** The one device that is meant; null: all of them. */
  device: string | null;
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Throws `usage` where a person named neither a user nor a device, or both. */
export function refuseUnclear(positionals: readonly string[], device: string | undefined): void {
  if (positionals.length > 1)
    throw new SupapushError('usage', `There is one user too many: ${positionals[1]}.`);
  if (positionals.length === 0 && device === undefined)
    throw new SupapushError('usage', 'Say whom: the id or e-mail address of a user, or --device <id>.');
  if (positionals.length === 1 && device !== undefined)
    throw new SupapushError('usage', 'Give a user or --device, not both: a device says whose it is.');
  if (device !== undefined && !UUID.test(device))
    throw new SupapushError('usage', '--device must be the id of a row in push_subscriptions.');
}

/** Finds the user by id or e-mail address, or the owner of the device. */
export async function findRecipient(
  sql: postgres.Sql,
  user: string | undefined,
  device: string | undefined,
): Promise<Recipient> {
  if (device !== undefined) {
    const [owner] = await sql<{ id: string; email: string | null }[]>`
      select u.id, u.email from public.push_subscriptions as s join auth.users as u on u.id = s.user_id
      where s.id = ${device}`;
    if (owner === undefined) throw new Error(`There is no device ${device} in push_subscriptions.`);
    return { ...owner, device };
  }
  const asked = user ?? '';
  const users = UUID.test(asked)
    ? await sql<{ id: string; email: string | null }[]>`select id, email from auth.users where id = ${asked}`
    : await sql<{ id: string; email: string | null }[]>`
        select id, email from auth.users where lower(email) = lower(${asked}) limit 2`;
  const [found, another] = users;
  if (found === undefined) throw new Error(`There is no user ${asked} in auth.users.`);
  // With single sign-on, one address may have several accounts.
  if (another !== undefined) throw new Error(`Several users have the address ${asked}: give the id of one.`);
  return { ...found, device: null };
}

/** A recipient in words. */
export function nameOf({ id, email }: Recipient): string {
  return email === null || email === '' ? id : `${email} (${id})`;
}
