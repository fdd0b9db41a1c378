import { Fragment, type ReactNode } from 'react';
import { usePushContext } from '../push-provider.tsx';

/** Makes what is within anew when another user signs in: what one has opened or typed is not the next one's. */
export function OfUser({ children }: { children: ReactNode }): ReactNode {
  return <Fragment key={usePushContext().userChanges}>{children}</Fragment>;
}
