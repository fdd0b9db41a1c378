import type postgres from 'postgres';
import { beforeAll, beforeEach } from 'vitest';
import { createUser, type TestDatabase } from './postgres.ts';
import { clearQueue } from './queue.ts';
import { useDatabase } from './use-database.ts';

type Client = postgres.Sql | postgres.TransactionSql;

export interface Reminder {
  name?: string | null;
  table?: string;
  before?: string[] | null;
  /** These are SQL expressions over `new` and `moment`. */
  at?: string | null;
  recipients?: string | null;
  title?: string | null;
  body?: string;
  url?: string;
  params?: string;
  condition?: string;
  tag?: string;
  digestKey?: string;
  presentation?: string;
  timezone?: string;
  expiresAt?: string;
  collapseKey?: string;
  template?: string;
  category?: string;
  urgency?: string;
  ttl?: number;
  grace?: string | null;
  now?: Date;
}

/** Declares a reminder; what is left out is an hour before public.bookings.starts_at and tells the guest "Soon". */
export async function remind(sql: Client, reminder: Reminder = {}): Promise<void> {
  const value = <K extends keyof Reminder>(key: K, otherwise: Reminder[K]) =>
    (key in reminder ? reminder[key] : otherwise) ?? null;
  const before = value('before', ['1 hour']);
  await sql`
    select push.remind(
      ${value('name', 'booking')}, ${reminder.table ?? 'public.bookings'}::regclass, ${value('at', 'new.starts_at')},
      ${before === null ? null : `{${before}}`}::text::interval[], ${value('recipients', 'new.guest_id')},
      ${value('title', `'Soon'`)}, ${reminder.body ?? null}, ${reminder.url ?? null}, ${reminder.params ?? null},
      ${reminder.condition ?? null}, ${reminder.category ?? null}, ${reminder.urgency ?? null}, ${reminder.ttl ?? null},
      ${reminder.tag ?? null}, ${reminder.template ?? null}, ${reminder.digestKey ?? null}, ${reminder.timezone ?? null},
      ${value('grace', '15 minutes')}::text::interval, ${reminder.presentation ?? null},
      p_collapse_key => ${reminder.collapseKey ?? null}, p_expires_at => ${reminder.expiresAt ?? null},
      p_now => ${reminder.now ?? new Date()}
    )`;
}

/** Runs the part of the tick that sends reminders, at that moment; returns how many notifications were made. */
export async function sendReminders(sql: Client, now: string | Date, limit = 10_000): Promise<number> {
  const [row] = await sql<{ told: number }[]>`select push.send_reminders(${limit}, ${now}) as told`;
  return row?.told ?? -1;
}

export interface Moment {
  row_key: Record<string, unknown>;
  before: string;
  due_at: Date;
  state: string;
  reason: string | null;
}

/** All moments in the order they are due. */
export async function readMoments(sql: Client): Promise<Moment[]> {
  return [
    ...(await sql<Moment[]>`
      select row_key, before::text, due_at, state, reason from push.reminder_moments order by due_at, row_key::text`),
  ];
}

/** When the moments are that are still to come. */
export async function readWaiting(sql: Client): Promise<string[]> {
  const moments = await readMoments(sql);
  return moments.filter(({ state }) => state === 'waiting').map(({ due_at }) => due_at.toISOString());
}

/** State and reason of each moment, in the order they are due. */
export async function readStates(sql: Client): Promise<string[]> {
  return (await readMoments(sql)).map(({ state, reason }) => (reason ? `${state}: ${reason}` : state));
}

export interface ReminderError {
  reminder: string;
  row_key: Record<string, unknown> | null;
  sqlstate: string;
  message: string;
  detail: string | null;
}

export async function readReminderErrors(sql: Client): Promise<ReminderError[]> {
  return [
    ...(await sql<ReminderError[]>`
      select reminder, row_key, sqlstate, message, detail from push.reminder_errors order by id`),
  ];
}

export interface Bookings {
  db(): TestDatabase;
  /** Two users, new for each test. */
  guest(): string;
  other(): string;
  /** Makes a booking of the guest, or of whom the values say. */
  book(values: Record<string, unknown>): Promise<void>;
}

/** A database with a table public.bookings to watch; each test starts without bookings, reminders and notifications. */
export function useBookings(): Bookings {
  const db = useDatabase();
  let guest = '';
  let other = '';
  beforeAll(async () => {
    await db().sql.unsafe(`
      create table public.bookings (
        id integer primary key, guest_id uuid, starts_at timestamptz, status text default 'confirmed', zone text,
        amount numeric default 1, note text
      )`);
  });
  beforeEach(async () => {
    const { sql } = db();
    await sql`select push.unremind(name) from push.reminders`;
    await sql`truncate public.bookings`;
    await sql`delete from push.reminder_errors`;
    await clearQueue(sql);
    guest = (await createUser(sql)).id;
    other = (await createUser(sql)).id;
  });
  return {
    db,
    guest: () => guest,
    other: () => other,
    async book(values) {
      const { sql } = db();
      await sql`insert into public.bookings ${sql({ id: 1, guest_id: guest, ...values } as never)}`;
    },
  };
}
