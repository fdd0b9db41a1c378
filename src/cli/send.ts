import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type postgres from 'postgres';
import { SupapushError } from '../shared/errors.ts';
import { type Command, callOf, type Outcome } from './command.ts';
import { type DeviceDelivery, holdOn, readDeliveries, readHolds, reasonFor } from './deliveries.ts';
import { defaultEnvironmentFile, SECRETS_FILE } from './environment-file.ts';
import {
  findRecipient,
  MESSAGE_OPTIONS,
  MESSAGE_USAGE,
  messageOf,
  nameOf,
  type Recipient,
  refuseUnclear,
} from './message-options.ts';
import { readSettings, requiredDatabaseUrl, withDatabase } from './open-database.ts';
import { columns, styled } from './terminal.ts';

const USAGE = `Usage: ${callOf('send', '<user> --title Hello [options]')}

Sends a message to a user, named by id or e-mail address, or to one device, and says what became of it on each device. It is
an ordinary message: in the inbox, under preferences and limits.

${MESSAGE_USAGE}
  --wait <seconds>   how long to wait for the push services (default 15; 0: not at all)
  --json             print one object of JSON instead of text
  --database-url     the connection string of role postgres (Dashboard → Connect); default: SUPABASE_DB_URL
  --file             where else SUPABASE_DB_URL may stand (default .env; where init has been, ${SECRETS_FILE})

Exit codes: 0 every device was sent it (with --wait 0: it was taken), 1 not so, 2 called wrongly.`;

/** What is looked at again until it ends. */
interface Sent {
  notification: string;
  /** Of the message: queued, scheduled, digested, suppressed. */
  status: string;
  category: string | null;
  deliveries: DeviceDelivery[];
}

async function run(args: string[]): Promise<Outcome> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...MESSAGE_OPTIONS,
      wait: { type: 'string', default: '15' },
      json: { type: 'boolean', default: false },
      'database-url': { type: 'string' },
      file: { type: 'string', default: defaultEnvironmentFile() },
    },
  });
  const { wait, json, 'database-url': databaseUrl, file, ...said } = values;
  refuseUnclear(positionals, said.device);
  const message = messageOf(said);
  if (said.device !== undefined && message.idempotency_key != null)
    throw new SupapushError(
      'usage',
      '--device takes no idempotency_key: it may be that of an earlier message, which is for every device.',
    );
  const seconds = Number(wait);
  if (wait.trim() === '' || !(seconds >= 0 && seconds <= 3600))
    throw new SupapushError('usage', '--wait takes seconds from 0 to 3600.');
  const url = requiredDatabaseUrl(databaseUrl, await readSettings(file));
  return await withDatabase(url, async (sql) => {
    const recipient = await findRecipient(sql, positionals[0], said.device);
    const id = await send(sql, recipient, message);
    const sent = await whenEnded(sql, id, seconds);
    const holds = await readHolds(sql, sent.category);
    const whys = sent.deliveries.map((delivery) => whyOf(delivery, holdOn(holds, delivery.host)));
    const isSent = sent.deliveries.length > 0 && sent.deliveries.every(({ state }) => state === 'sent');
    const isTaken = sent.deliveries.some(({ state }) => ['queued', 'sending', 'sent'].includes(state));
    return {
      text: json ? asJson(sent, recipient, whys) : asText(sent, recipient, whys, seconds),
      exitCode: isSent || (seconds === 0 && isTaken) ? 0 : 1,
    };
  });
}

/** The id of the notification. Throws `usage` for a message that one device alone cannot be sent; nothing is written then. */
async function send(sql: postgres.Sql, { id, device }: Recipient, message: object): Promise<string> {
  return await sql.begin(async (transaction) => {
    const [row] = await transaction<{ id: string }[]>`
      select public.push_notify(${id}, ${transaction.json(message as postgres.JSONValue)}) as id`;
    const { id: notification } = row as { id: string };
    if (device !== null) {
      const [made] = await transaction<{ status: string }[]>`
        select status from public.push_notifications where id = ${notification}`;
      if (made?.status === 'scheduled' || made?.status === 'digested')
        throw new SupapushError(
          'usage',
          `--device: a message that is ${made.status} has no deliveries before its time, and they would be for every device. It was not sent.`,
        );
      // No dispatcher has seen them yet.
      await transaction`
        delete from push.queue where notification_id = ${notification} and subscription_id <> ${device}`;
      await transaction`
        delete from push.delivery_log where notification_id = ${notification} and subscription_id <> ${device}`;
    }
    return notification;
  });
}

/** Looks again until every delivery has ended, or waits for a moment that is later than the last look. */
async function whenEnded(sql: postgres.Sql, notification: string, seconds: number): Promise<Sent> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const [row] = await sql<{ status: string; category: string | null; now: Date }[]>`
      select status, category, clock_timestamp() as now from public.push_notifications where id = ${notification}`;
    const deliveries = await readDeliveries(sql, notification);
    const { status, category, now } = row ?? { status: 'cancelled', category: null, now: new Date() };
    const last = now.getTime() + Math.max(until - performance.now(), 0);
    const isOpen = deliveries.some(
      ({ state, dueAt }) => state === 'sending' || (state === 'queued' && dueAt.getTime() <= last),
    );
    if (!isOpen || performance.now() >= until) return { notification, status, category, deliveries };
    await delay(Math.min(200, until - performance.now()));
  }
}

function whyOf({ state, code, error, status, dueAt }: DeviceDelivery, hold: string | null): string {
  if (state === 'sent') return '';
  const waits = state === 'queued' || state === 'sending';
  const said = [
    code === null || (waits && code === 'paused') ? null : reasonFor(code),
    status === null ? null : `the push service answered ${status}`,
    error,
    waits ? hold : null,
    waits && code === 'quiet_hours' ? `until ${dueAt.toISOString()}` : null,
  ];
  return said.filter((part) => part !== null).join(': ');
}

/** Why a message has no deliveries. */
function withoutDelivery({ status }: Sent): string {
  switch (status) {
    case 'scheduled':
      return 'It is scheduled: deliveries are made when its time has come.';
    case 'digested':
      return 'It waits in a digest, and is told with its summary.';
    case 'suppressed':
      return 'A throttle or the daily ceiling holds it back: it is in the inbox alone.';
    default:
      return 'This user has no device: it is in the inbox alone.';
  }
}

function asText(sent: Sent, recipient: Recipient, whys: readonly string[], seconds: number): string {
  const { notification, deliveries } = sent;
  const head = `Notification ${notification} to ${nameOf(recipient)}`;
  if (deliveries.length === 0) return [head, withoutDelivery(sent)].join('\n');
  const rows = deliveries.map(({ device, channel, state }, index) => [
    `  ${device}`,
    channel ?? '',
    state,
    whys[index] ?? '',
  ]);
  const colours: Record<string, 'green' | 'yellow'> = { sent: 'green', queued: 'yellow', sending: 'yellow' };
  const waits = deliveries.some(({ state }) => state === 'queued' || state === 'sending');
  return [
    head,
    ...columns(rows, (cell, _, column) => (column === 2 ? styled(colours[cell] ?? 'red', cell) : cell)).map(
      (line) => line.trimEnd(),
    ),
    ...(waits && seconds > 0
      ? [`After ${seconds} seconds not all of it was sent. What is wrong: ${callOf('doctor')}`]
      : []),
  ].join('\n');
}

function asJson(
  { notification, status, deliveries }: Sent,
  { id }: Recipient,
  whys: readonly string[],
): string {
  return JSON.stringify({
    notification,
    user: id,
    status,
    deliveries: deliveries.map((delivery, index) => ({
      id: delivery.id,
      device: delivery.subscriptionId,
      name: delivery.device,
      channel: delivery.channel,
      host: delivery.host,
      state: delivery.state,
      code: delivery.code,
      http_status: delivery.status,
      error: delivery.error,
      due_at: delivery.dueAt.toISOString(),
      why: whys[index] || null,
    })),
  });
}

export const command: Command = { usage: USAGE, run };
