import { type ReactNode, useCallback, useState } from 'react';

export interface Problem {
  /** Runs something, and keeps what it fails with until the next one goes well. */
  run(work: () => Promise<unknown>): Promise<void>;
  /** What failed last, read out when it appears. */
  note: ReactNode;
}

/** What a part of the page could not do, as a message to the user. */
export function useProblem(): Problem {
  const [message, setMessage] = useState<string | null>(null);
  const run = useCallback(async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
      setMessage(null);
    } catch (error) {
      setMessage((error as Error).message);
    }
  }, []);
  const note = <div role="alert">{message !== null && <div className="supapush-error">{message}</div>}</div>;
  return { run, note };
}

/** The data of an answer of supabase-js, or its error thrown. */
export function dataOf<T>({ data, error }: { data: T; error: { message: string } | null }): T {
  if (error) throw error;
  return data;
}
