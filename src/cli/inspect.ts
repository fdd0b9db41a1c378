import { parseArgs } from 'node:util';
import type { ClaimedDelivery } from '../server/channels/channel.ts';
import { fcmMessage, MAX_FCM_BYTES, payloadBytes } from '../server/channels/fcm/fcm-message.ts';
import { encodePayload, MAX_PAYLOAD_BYTES } from '../server/notification/payload.ts';
import { type Command, callOf, type Outcome } from './command.ts';
import { defaultEnvironmentFile, SECRETS_FILE } from './environment-file.ts';
import { type Inspected, inspectMessage } from './inspect-message.ts';
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

const USAGE = `Usage: ${callOf('inspect', '<user> --title Hello [options]')}

Shows what sending a message would do, without sending it: what each device of a user would get, to the byte, and what would
hold it back, such as preferences, quiet hours, a throttle, a digest or a pause. The message is made and judged as any other, in
a transaction that is taken back.

${MESSAGE_USAGE}
  --json             print one object of JSON instead of text
  --database-url     the connection string of role postgres (Dashboard → Connect); default: SUPABASE_DB_URL
  --file             where else SUPABASE_DB_URL may stand (default .env; where init has been, ${SECRETS_FILE})

Exit codes: 0 at least one device would ring now, 1 none would, 2 called wrongly.`;

/** What goes to a push service, before it is encrypted. */
interface Shown {
  channel: 'webpush' | 'fcm';
  payload: string;
  bytes: number;
  limit: number;
}

async function run(args: string[]): Promise<Outcome> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...MESSAGE_OPTIONS,
      json: { type: 'boolean', default: false },
      'database-url': { type: 'string' },
      file: { type: 'string', default: defaultEnvironmentFile() },
    },
  });
  const { json, 'database-url': databaseUrl, file, ...said } = values;
  refuseUnclear(positionals, said.device);
  const message = messageOf(said);
  const url = requiredDatabaseUrl(databaseUrl, await readSettings(file));
  return await withDatabase(url, async (sql) => {
    const recipient = await findRecipient(sql, positionals[0], said.device);
    const inspected = await inspectMessage(sql, recipient, message);
    const shown = await Promise.all(inspected.messages.map(({ delivery }) => show(delivery, inspected.now)));
    return {
      text: json ? asJson(inspected, shown, recipient) : asText(inspected, shown, recipient),
      exitCode: inspected.devices.some(({ rings }) => rings) ? 0 : 1,
    };
  });
}

/** Each delivery has a receipt token of its own, which is signed: zeros stand for it, as long as it is. */
function receiptOf({ deliveryId }: ClaimedDelivery): string {
  return `${deliveryId}.${'0'.repeat(22)}`;
}

async function show(delivery: ClaimedDelivery, now: Date): Promise<Shown> {
  if (delivery.target.channel === 'fcm') {
    // The token is a capability: with it and the project's account, anyone can send.
    const target = { ...delivery.target, token: '…' };
    const message = await fcmMessage({ ...delivery, target }, receiptOf(delivery), now.getTime());
    const payload = JSON.stringify({ message });
    return { channel: 'fcm', payload, bytes: payloadBytes(message), limit: MAX_FCM_BYTES };
  }
  const bytes = encodePayload(delivery.content, receiptOf(delivery));
  const payload = new TextDecoder().decode(bytes);
  return { channel: 'webpush', payload, bytes: bytes.length, limit: MAX_PAYLOAD_BYTES };
}

function asText(inspected: Inspected, shown: readonly Shown[], recipient: Recipient): string {
  const { devices, held, category, urgency, expiresAt } = inspected;
  const about = [
    `category ${category ?? 'none'}`,
    `urgency ${urgency}`,
    `until ${expiresAt === null ? 'for ever' : expiresAt.toISOString()}`,
  ];
  const lines = [`To ${nameOf(recipient)}, ${about.join(', ')}. Nothing was sent.`, ''];
  if (held !== null) lines.push(`  ${styled('yellow', held)}`);
  lines.push(
    ...columns(
      devices.map(({ device, channel, would, why }) => [`  ${device}`, channel, would, why ?? '']),
      (cell, row, column) =>
        column === 2 ? styled(devices[row]?.rings === true ? 'green' : 'yellow', cell) : cell,
    ).map((line) => line.trimEnd()),
  );
  for (const [index, { channel, payload, bytes, limit }] of shown.entries()) {
    const names = inspected.messages[index]?.devices ?? [];
    lines.push(
      '',
      styled(
        'bold',
        `${channel}, ${bytes} of ${limit} bytes${names.length === 0 ? '' : `: ${names.join(', ')}`}`,
      ),
      payload,
    );
  }
  return lines.join('\n');
}

function asJson(inspected: Inspected, shown: readonly Shown[], recipient: Recipient): string {
  const { devices, held, category, urgency, expiresAt, messages } = inspected;
  return JSON.stringify({
    user: recipient.id,
    category,
    urgency,
    expires_at: expiresAt?.toISOString() ?? null,
    held,
    devices: devices.map(({ id, device, channel, rings, would, code, why, at }) => ({
      id,
      name: device,
      channel,
      rings,
      would,
      code,
      why,
      at: at?.toISOString() ?? null,
    })),
    messages: shown.map((one, index) => ({ ...one, devices: messages[index]?.ids ?? [] })),
  });
}

export const command: Command = { usage: USAGE, run };
