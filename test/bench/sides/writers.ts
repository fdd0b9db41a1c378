import { readFileSync } from 'node:fs';
import postgres from 'postgres';

export interface WritersInput {
  databaseUrl: string;
  table: string;
  transactions: number;
  lanes: number;
  ownerIds: string[];
}
export interface WritersSample {
  /** Milliseconds of each transaction, from sending the insert to its commit's answer. */
  milliseconds: number[];
  /** From the first to the last. */
  elapsed: number;
  /** Milliseconds of CPU that the sessions of the database took for all of them; null where the system does not say. */
  cpu: number | null;
}

/** CPU of a process so far, of user and kernel, in ticks of a hundredth of a second. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

const WARM = 10;

// Applications in a process of their own, each with one connection that stays.
const input = JSON.parse(process.argv[2] ?? '') as WritersInput;
const clients = Array.from({ length: input.lanes }, () =>
  postgres(input.databaseUrl, { max: 1, onnotice: () => undefined }),
);
const insert = async (sql: postgres.Sql, place: number) =>
  await sql`insert into ${sql(`public.${input.table}`)} (owner_id) values (${input.ownerIds[place % input.ownerIds.length] ?? ''})`;
const pids = await Promise.all(
  clients.map(async (sql, lane) => {
    for (let place = 0; place < WARM; place += 1) await insert(sql, lane * WARM + place);
    const [row] = await sql<[{ pid: number }]>`select pg_backend_pid() as pid`;
    return row.pid;
  }),
);
const cpu = () => {
  try {
    return pids.reduce((sum, pid) => sum + ticksOf(pid), 0) * 10;
  } catch {
    return null;
  }
};

const milliseconds: number[] = [];
let left = input.transactions;
const before = cpu();
const started = performance.now();
await Promise.all(
  clients.map(async (sql) => {
    while (left > 0) {
      left -= 1;
      const since = performance.now();
      await insert(sql, left);
      milliseconds.push(performance.now() - since);
    }
  }),
);
const elapsed = performance.now() - started;
const after = cpu();
await Promise.all(clients.map((sql) => sql.end()));
console.log(
  JSON.stringify({ milliseconds, elapsed, cpu: before === null || after === null ? null : after - before }),
);
