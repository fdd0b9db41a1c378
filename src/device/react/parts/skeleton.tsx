import type { ReactNode } from 'react';

/** Takes the room of rows that are being loaded, so that what stands below them does not move when they come. */
export function Skeleton({ label, rows }: { label: string; rows: number }): ReactNode {
  return (
    <>
      <p className="supapush-hidden">{label}</p>
      <div className="supapush-skeleton" aria-hidden="true">
        {Array.from({ length: rows }, (_, row) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows that differ in nothing
          <span key={row} />
        ))}
      </div>
    </>
  );
}
