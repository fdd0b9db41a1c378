import postgres from 'postgres';

export interface BurstInput {
  databaseUrl: string;
  table: 'orders' | 'bare_orders';
  transactions: number;
  lanes: number;
  ownerIds: string[];
}
export interface BurstSample {
  /** Milliseconds of each transaction, from sending the insert to its commit's answer. */
  milliseconds: number[];
  /** From the first to the last. */
  elapsed: number;
}

// An application in a process of its own: nothing of the stack shares its event loop.
const input = JSON.parse(process.argv[2] ?? '') as BurstInput;
const sql = postgres(input.databaseUrl, { max: input.lanes, onnotice: () => undefined });
await Promise.all(Array.from({ length: input.lanes }, () => sql`select pg_sleep(0.05)`));

const milliseconds: number[] = [];
let left = input.transactions;
const started = performance.now();
await Promise.all(
  Array.from({ length: input.lanes }, async () => {
    while (left > 0) {
      left -= 1;
      const owner = input.ownerIds[left % input.ownerIds.length] ?? '';
      const since = performance.now();
      await sql`insert into ${sql(`public.${input.table}`)} (owner_id) values (${owner})`;
      milliseconds.push(performance.now() - since);
    }
  }),
);
const elapsed = performance.now() - started;
await sql.end();
console.log(JSON.stringify({ milliseconds, elapsed }));
