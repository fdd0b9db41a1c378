import type postgres from 'postgres';

/** What was written to the log ahead of the data. */
export interface WrittenWal {
  bytes: number;
  /** Those of them that are images of whole pages: the first change of a page after a checkpoint writes it whole. */
  imageBytes: number;
}

/** What the server writes while `work` runs, whichever session or database does it. `superuser` is of a database. */
export async function walOf(superuser: postgres.Sql, work: () => Promise<unknown>): Promise<WrittenWal> {
  await superuser`create extension if not exists pg_walinspect`;
  const position = async () => {
    const [row] = await superuser<[{ lsn: string }]>`select pg_current_wal_insert_lsn()::text as lsn`;
    return row.lsn;
  };
  const start = await position();
  await work();
  const end = await position();
  const [row] = await superuser<[{ bytes: number; images: number }]>`
    select (${end}::pg_lsn - ${start}::pg_lsn)::float8 as bytes, sum(s.fpi_size)::float8 as images
    from pg_get_wal_stats(${start}::pg_lsn, ${end}::pg_lsn) as s`;
  return { bytes: row.bytes, imageBytes: row.images };
}
