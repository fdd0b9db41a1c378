import { type ReactNode, useEffect, useState } from 'react';
import type { Quote } from '../../client/push-client.ts';
import type { UseAlerts } from '../hooks/use-alerts.ts';
import { useNow } from '../parts/use-now.ts';
import { usePushContext } from '../push-provider.tsx';

/** Where a symbol stands at present, so that its threshold need not be guessed; nothing while that is not known. */
export function QuoteLine({ symbol, quote }: { symbol: string; quote: UseAlerts['quote'] }): ReactNode {
  const { strings, format } = usePushContext();
  const now = useNow();
  const [found, setFound] = useState<{ symbol: string; quote: Quote | null } | null>(null);
  useEffect(() => {
    let current = true;
    if (symbol) {
      quote(symbol).then(
        (quote) => current && setFound({ symbol, quote }),
        // The form works without it.
        () => undefined,
      );
    }
    return () => {
      current = false;
    };
  }, [symbol, quote]);
  const words = strings.alerts;
  const known = found && found.symbol === symbol ? found : null;
  return (
    <p className="supapush-hint supapush-quote" role="status">
      {known &&
        (known.quote
          ? words.quote(symbol, format.number(known.quote.value), format.ago(known.quote.quotedAt, now))
          : words.noQuote(symbol))}
    </p>
  );
}
