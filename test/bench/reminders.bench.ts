import type postgres from 'postgres';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { BELL_SECRET, PROJECT_URL } from '../support/bell.ts';
import { alternate, type Bench, median, type Progress } from './harness/bench.ts';
import { connect, createMigrated, withDurablePostgres } from './harness/database.ts';
import { createUsersWithDevices } from './harness/recipients.ts';

const SIZES = [1000, 1_000_000];
const DUE = 200;
const TICK_ROUNDS = 11;
const WRITTEN = 10_000;
const WRITE_ROUNDS = 5;
const HOST = 'https://fcm.googleapis.com';

/** A database with `DUE` users with a device each and two tables of bookings. */
async function prepare(server: PostgresServer, database: string): Promise<postgres.Sql> {
  await createMigrated(server, database);
  const superuser = connect(server, { database, superuser: true });
  const users = await createUsersWithDevices(superuser, HOST, DUE);
  await superuser.end();
  const sql = connect(server, { database });
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
  await sql`create table public.users (place integer primary key, id uuid)`;
  await sql`insert into public.users select place, id from unnest(${users}::uuid[]) with ordinality as u (id, place)`;
  for (const table of ['bookings', 'bare'])
    await sql`
      create table ${sql(`public.${table}`)} (
        id bigint primary key, guest_id uuid not null, starts_at timestamptz not null, status text not null, note text
      )`;
  return sql;
}

/** Makes `count` bookings, a minute apart and long from now. */
async function insertBookings(sql: postgres.Sql, table: string, count: number): Promise<void> {
  await sql`
    insert into ${sql(`public.${table}`)} (id, guest_id, starts_at, status)
    select n, u.id, now() + interval '1 year' + n * interval '1 minute', 'confirmed'
    from generate_series(1, ${count}::int) as n join public.users as u on u.place = 1 + n % ${DUE}::int`;
}

async function remind(sql: postgres.Sql): Promise<void> {
  await sql`
    select push.remind('booking', 'public.bookings', 'new.starts_at', '{1 hour}', 'new.guest_id',
      $$ 'Your table at ' || to_char(new.starts_at, 'HH24:MI') $$, p_url => $$ '/bookings/' || new.id $$,
      p_condition => $$ new.status = 'confirmed' $$)`;
}

/** Runs `work` and resolves with the milliseconds it took. */
async function milliseconds(work: () => PromiseLike<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Milliseconds of a tick in which `DUE` reminders are due, by the size of the table. */
async function measureTicks(server: PostgresServer, progress: Progress): Promise<Record<string, number[]>> {
  const admin = connect(server, { superuser: true });
  const sides: Record<string, () => Promise<number>> = {};
  for (const size of SIZES) {
    progress(`preparing ${size.toLocaleString('en')} rows`);
    const sql = await prepare(server, `bench_reminders_${size}`);
    await insertBookings(sql, 'bookings', size);
    await remind(sql);
    await sql.unsafe('vacuum analyze').simple();
    let round = 0;
    sides[size] = async () => {
      // Rows from all over the table.
      await sql`
        update public.bookings as b set starts_at = now() + interval '1 hour'
        where b.id in (select 1 + (n * ${size / DUE}::bigint + ${round++}::bigint) % ${size}::bigint
          from generate_series(0, ${DUE - 1}::int) as n)`;
      await admin`checkpoint`;
      let told = 0;
      const taken = await milliseconds(async () => {
        const [row] = await sql`select push.tick() as result`;
        told = row?.result.reminded;
      });
      if (told !== DUE) throw new Error(`Of ${DUE} reminders ${told} were sent.`);
      await sql`delete from public.push_notifications`;
      return taken;
    };
  }
  const samples = await alternate(sides, TICK_ROUNDS, progress);
  await admin.end();
  return samples;
}

const WRITES = {
  'insert 10,000 rows': (sql: postgres.Sql, table: string) => insertBookings(sql, table, WRITTEN),
  'update 10,000 rows, not their time': (sql: postgres.Sql, table: string) =>
    sql`update ${sql(`public.${table}`)} set note = 'changed'`,
  'move 10,000 rows': (sql: postgres.Sql, table: string) =>
    sql`update ${sql(`public.${table}`)} set starts_at = starts_at + interval '1 hour'`,
};

/** Milliseconds of each write to the bare and to the watched table. */
async function measureWrites(server: PostgresServer, progress: Progress) {
  const sql = await prepare(server, 'bench_reminders_writes');
  await remind(sql);
  const admin = connect(server, { superuser: true });
  const side = (table: string) => async () => {
    await sql`truncate ${sql(`public.${table}`)}`;
    const taken: Record<string, number> = {};
    for (const [name, write] of Object.entries(WRITES)) {
      await admin`checkpoint`;
      taken[name] = await milliseconds(() => write(sql, table));
    }
    return taken;
  };
  const samples = await alternate({ bare: side('bare'), watched: side('bookings') }, WRITE_ROUNDS, progress);
  await admin.end();
  return samples;
}

const bench: Bench = {
  summary: 'A tick with 200 reminders due, at 10³ and 10⁶ rows; writes to a table that is reminded of',
  compared: [{ name: 'tick_million', kind: 'time', row: `tick, ${DUE} due of 1,000,000 rows`, column: 'ms' }],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      const writes = await measureWrites(server, progress);
      const ticks = await measureTicks(server, progress);
      const ofSize = (size: number) => ticks[size] ?? [];
      const small = median(ofSize(1000));
      const rowOf = (name: string, all: number[], base: number) => [
        name,
        median(all),
        Math.min(...all),
        Math.max(...all),
        `${(median(all) / base).toFixed(2)} ×`,
      ];
      return {
        columns: ['', 'ms', 'lowest', 'highest', 'to its base'],
        rows: [
          ...SIZES.map((size) =>
            rowOf(`tick, ${DUE} due of ${size.toLocaleString('en')} rows`, ofSize(size), small),
          ),
          ...Object.keys(WRITES).flatMap((name) => {
            const of = (table: 'bare' | 'watched') => writes[table].map((taken) => taken[name] ?? Number.NaN);
            const base = median(of('bare'));
            return [rowOf(`${name}, bare`, of('bare'), base), rowOf(`${name}, watched`, of('watched'), base)];
          }),
        ],
        marks: [{ name: 'tick_million_to_thousand', value: median(ofSize(1_000_000)) / small, atMost: 1.5 }],
        notes: [
          `Medians of ${TICK_ROUNDS} ticks and ${WRITE_ROUNDS} rounds of writes, flushed to disk; wall clock.`,
          'A tick makes a notification and a delivery of each reminder. Writes have no mark: a watched one keeps a moment per row.',
        ],
      };
    }),
};

export default bench;
