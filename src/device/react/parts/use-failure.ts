import { useCallback, useEffect, useState } from 'react';

/**
 * Why what one control has done failed, out of what a hook says of all its actions: told beside that control, and until
 * another action begins.
 *
 * @param error the hook's
 */
export function useFailure(
  error: Error | null,
): [own: Error | null, attempt: (work: unknown) => Promise<unknown>] {
  const [failed, setFailed] = useState<Error | 'just now' | null>(null);
  useEffect(() => {
    if (failed === 'just now' && error) setFailed(error);
  }, [failed, error]);
  const attempt = useCallback(async (work: unknown) => {
    setFailed(null);
    const result = await work;
    if (result === false) setFailed('just now');
    return result;
  }, []);
  return [failed === error || failed === 'just now' ? error : null, attempt];
}
