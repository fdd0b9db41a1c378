import type postgres from 'postgres';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { alternate, type Bench, median, type Progress } from './harness/bench.ts';
import { connect, createMigrated, withDurablePostgres } from './harness/database.ts';
import { createUsersWithDevices } from './harness/recipients.ts';

const ROUNDS = 11;
const ROWS = 10_000;
const TRANSACTIONS = 200;
/** Rules on one table, and fresh sessions that write to it. */
const CROWD = 1000;
const SESSIONS = 5;
const DATABASE = 'bench_rules';
const ORIGIN = 'http://127.0.0.1:9';

/** Two tables that differ in nothing but the rule on the second, and the plainest there is, bare and watched. */
async function prepare(admin: postgres.Sql, sql: postgres.Sql): Promise<void> {
  await admin`insert into push.hosts (origin) values (${ORIGIN})`;
  await createUsersWithDevices(admin, ORIGIN, ROWS);
  for (const table of ['bare', 'watched', 'plain_bare', 'plain_watched']) {
    const plain = table.startsWith('plain');
    await sql.unsafe(`
      create table public.${table} (
        id bigint primary key, owner_id uuid not null ${plain ? '' : 'references auth.users (id)'}, name text not null,
        stage text not null, amount numeric not null, note text, created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
      );
      insert into public.${table} (id, owner_id, name, stage, amount, note)
      select u.place, u.id, 'Deal ' || u.place, 'open', u.place, repeat('A note on it. ', 5)
      from (select id, row_number() over () as place from auth.users) as u;`);
  }
  await sql.unsafe(`
    create function public.touch() returns trigger language plpgsql as $$
    begin
      new.updated_at := now();
      return new;
    end $$;`);
  for (const table of ['bare', 'watched']) {
    await sql.unsafe(`
      create index on public.${table} (owner_id);
      create index on public.${table} (stage, created_at);
      create trigger touch before update on public.${table} for each row execute function public.touch();`);
  }
  for (const table of ['watched', 'plain_watched']) {
    await sql`
      select push.watch(${`${table}_stage`}, ${`public.${table}`}::regclass, 'new.owner_id', $$new.name || ' is ' || new.stage$$,
        p_url => $$'/deals/' || new.id$$, p_events => '{update}', p_columns => '{stage}', p_category => 'deals')`;
    // The worst that may happen to a plan: made for one row, kept by the session for ten thousand.
    await sql.unsafe(
      `update public.${table} set amount = amount where id = 1; update public.${table} set stage = 'new' where id = 1`,
    );
  }
  await sql`analyze`;
}

interface FirstWrite {
  megabytes: number;
  milliseconds: number;
}

/** What a session keeps in memory, and how long it takes, when it first writes to a table with a thousand rules, none of which is concerned. */
async function meetCrowd(
  server: PostgresServer,
  sql: postgres.Sql,
  progress: Progress,
): Promise<FirstWrite[]> {
  await sql`create table public.crowded (id bigint primary key, owner_id uuid not null, stage text not null, amount numeric not null)`;
  await sql`create table public.lonely (like public.crowded including all)`;
  for (const table of ['crowded', 'lonely']) {
    await sql`insert into ${sql(`public.${table}`)} select place, gen_random_uuid(), 'open', 0 from generate_series(1, 10) as place`;
  }
  for (let rule = 1; rule <= CROWD; rule += 1) {
    if (rule % 100 === 0) progress(`declaring rule ${rule} of ${CROWD}`);
    await sql`
      select push.watch(${`crowd_${rule}`}, 'public.crowded', 'new.owner_id', $$'It is ' || new.stage$$, p_url => $$'/deals/' || new.id$$,
        p_events => '{update}', p_columns => '{stage}', p_condition => ${`new.stage = 'stage ${rule}' and new.amount > ${rule}`})`;
  }
  const met: FirstWrite[] = [];
  for (let session = 0; session < SESSIONS; session += 1) {
    const fresh = connect(server, { database: DATABASE, superuser: true });
    const memory = async () => {
      const [row] = await fresh<[{ bytes: number }]>`
        select sum(total_bytes)::float8 as bytes from pg_backend_memory_contexts`;
      return row.bytes;
    };
    const write = async (table: string) => {
      const started = performance.now();
      await fresh.unsafe(`update public.${table} set stage = 'closed' where id = ${session + 1}`);
      return performance.now() - started;
    };
    await write('lonely');
    await memory();
    const before = await memory();
    const milliseconds = await write('crowded');
    met.push({ megabytes: ((await memory()) - before) / 2 ** 20, milliseconds });
    await fresh.end();
  }
  return met;
}

/** What the rule does, as one would write it into the application. */
const BY_HAND = `
  insert into public.push_notifications (user_id, title, url, params, category)
  select d.owner_id, d.name || ' is ' || d.stage, '/deals/' || d.id,
    jsonb_build_object('changes', jsonb_build_object('stage', jsonb_build_object('old', 'open', 'new', d.stage))), 'deals'
  from public.bare as d`;

const bench: Bench = {
  summary: 'A watched table against a bare one: updates that are no rule’s business, and those that notify',
  compared: [
    { name: 'many_rows_no_match', kind: 'time', row: 'many, watched', column: 'ms' },
    { name: 'single_rows_no_match', kind: 'time', row: 'single, watched', column: 'ms' },
    { name: 'many_rows_match', kind: 'time', row: 'matching, watched', column: 'ms' },
  ],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      progress('preparing the tables');
      await createMigrated(server, DATABASE);
      const admin = connect(server, { database: DATABASE, superuser: true });
      const sql = connect(server, { database: DATABASE });
      await prepare(admin, sql);

      let round = 0;
      const milliseconds = async (work: () => Promise<unknown>) => {
        const started = performance.now();
        await work();
        return performance.now() - started;
      };
      /** What `measure` says when nothing is left to do of the one before; `told` devices are to be sent something. */
      const sample = (table: string, told: number, measure: () => Promise<number>) => async () => {
        round++;
        await admin.unsafe(
          'truncate push.queue, push.delivery_log, public.push_notifications cascade; delete from net.http_request_queue; delete from push.dispatchers',
        );
        await admin.unsafe(`vacuum public.${table}`);
        await admin`checkpoint`;
        const took = await measure();
        const rows = await sql`select from push.deliveries`;
        if (rows.length !== told) throw new Error(`${rows.length} devices would be told, not ${told}.`);
        return took;
      };
      const many = (table: string) =>
        sample(table, 0, () =>
          milliseconds(() => sql.unsafe(`update public.${table} set amount = amount + 1`)),
        );
      const single = (table: string) =>
        sample(table, 0, async () => {
          const each: number[] = [];
          for (let id = 1; id <= TRANSACTIONS; id++) {
            const update = () =>
              sql.unsafe(`update public.${table} set amount = amount + 1 where id = $1`, [id], {
                prepare: true,
              });
            each.push(await milliseconds(update));
          }
          return median(each);
        });
      const samples = await alternate(
        {
          'many, bare': many('bare'),
          'many, watched': many('watched'),
          'many, plainest table, bare': many('plain_bare'),
          'many, plainest table, watched': many('plain_watched'),
          'single, bare': single('bare'),
          'single, watched': single('watched'),
          'matching, by hand': sample('bare', ROWS, () =>
            milliseconds(() =>
              sql.begin(async (transaction) => {
                await transaction.unsafe(`update public.bare set stage = 'stage ${round}'`);
                await transaction.unsafe(BY_HAND);
              }),
            ),
          ),
          'matching, watched': sample('watched', ROWS, () =>
            milliseconds(() => sql.unsafe(`update public.watched set stage = 'stage ${round}'`)),
          ),
        },
        ROUNDS,
        progress,
      );
      const crowd = await meetCrowd(server, sql, progress);
      const megabytes = median(crowd.map((one) => one.megabytes));
      const firstWrite = crowd.map((one) => one.milliseconds);
      await Promise.all([admin.end(), sql.end()]);

      /** Of the rounds, each of which is disturbed in its own way, the middle one. */
      const ratio = (watched: keyof typeof samples, bare: keyof typeof samples) =>
        median(samples[watched].map((value, index) => value / (samples[bare][index] ?? Number.NaN)));
      const names = Object.keys(samples) as (keyof typeof samples)[];
      return {
        columns: ['', 'ms', 'lowest', 'highest'],
        rows: [
          ...names.map((name) => [
            name,
            median(samples[name]),
            Math.min(...samples[name]),
            Math.max(...samples[name]),
          ]),
          [
            `first of a session, ${CROWD.toLocaleString('en')} rules`,
            median(firstWrite),
            Math.min(...firstWrite),
            Math.max(...firstWrite),
          ],
        ],
        marks: [
          { name: 'many_rows_no_match', value: ratio('many, watched', 'many, bare'), atMost: 1.15 },
          { name: 'single_rows_no_match', value: ratio('single, watched', 'single, bare'), atMost: 1.15 },
          { name: 'many_rows_match', value: ratio('matching, watched', 'matching, by hand'), atMost: 1.3 },
          { name: 'megabytes_per_session', value: megabytes, atMost: 20 },
          { name: 'first_update_ms', value: median(firstWrite), atMost: 50 },
        ],
        notes: [
          `Many: one statement that updates ${ROWS.toLocaleString('en')} rows. Single: one of ${TRANSACTIONS} transactions. Medians of ${ROUNDS} rounds; ratios are within a round.`,
          'The table is as applications have it: a foreign key, two indexes, updated_at by trigger. The plainest has a primary',
          `key and nothing else; watched it costs ${ratio('many, plainest table, watched', 'many, plainest table, bare').toFixed(2)} times as much.`,
          `A table with ${CROWD.toLocaleString('en')} rules, none of which is concerned: its first update costs a session ${megabytes.toFixed(1)} MB.`,
        ],
      };
    }),
};

export default bench;
