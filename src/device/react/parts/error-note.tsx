import type { ReactNode } from 'react';
import { usePushContext } from '../push-provider.tsx';

/** Says what went wrong, aloud too; nothing while nothing has. */
export function ErrorNote({ error, onRetry }: { error: Error | null; onRetry?: () => unknown }): ReactNode {
  const { strings } = usePushContext();
  return (
    <div role="alert" className="supapush-alert-region">
      {error && (
        <div className="supapush-error">
          <span>{strings.errors.describe(describable(error))}</span>
          {onRetry && (
            <button type="button" className="supapush-button supapush-quiet" onClick={() => onRetry()}>
              {strings.errors.retry}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** A `PushClientError` as it is; of any other error what there is. Told by its shape: an app may have the class twice. */
function describable(error: Error): { code: string; message: string; hint: string } {
  const { code, hint } = error as Error & { code?: unknown; hint?: unknown };
  return {
    code: typeof code === 'string' ? code : 'unknown',
    message: error.message,
    hint: typeof hint === 'string' ? hint : '',
  };
}
