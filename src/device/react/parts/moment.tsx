import type { ReactNode } from 'react';
import { usePushContext } from '../push-provider.tsx';
import { useNow } from './use-now.ts';

/** How long ago something was; the moment itself shows on hovering. */
export function Moment({ at }: { at: string }): ReactNode {
  const { format } = usePushContext();
  const now = useNow();
  return (
    <time dateTime={at} title={format.moment(at)}>
      {format.ago(at, now)}
    </time>
  );
}
