import type { SupabaseClient } from '@supabase/supabase-js';
import { type ReactNode, useCallback, useEffect, useRef, useState } from 'react';
import { dataOf, useProblem } from './problem.tsx';

const STEPS = [-2, -0.5, 0.5, 2];
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });

/** The values that alerts watch, in the user's hands. */
export function Quotes({ supabase }: { supabase: SupabaseClient }): ReactNode {
  const [quotes, setQuotes] = useState<{ symbol: string; value: number }[]>([]);
  const load = useCallback(async () => {
    setQuotes(dataOf(await supabase.from('push_quotes').select('symbol, value').order('symbol')) ?? []);
  }, [supabase]);
  const { run, note } = useProblem();
  useEffect(() => void run(load), [run, load]);
  // One after the other: a second click goes on from what the first one made.
  const moves = useRef(Promise.resolve());
  const move = (symbol: string, percent: number): void => {
    const change = async (): Promise<void> => {
      const query = supabase.from('push_quotes').select('value').eq('symbol', symbol).single();
      const value = Math.round((dataOf(await query)?.value ?? 0) * (100 + percent)) / 100;
      dataOf(await supabase.rpc('demo_set_quote', { p_symbol: symbol, p_value: value }));
      await load();
    };
    moves.current = moves.current.then(() => run(change));
  };
  return (
    <section className="supapush demo-card" aria-labelledby="quotes">
      <h2 id="quotes">Quotes</h2>
      <p className="supapush-hint">Change a value so that it crosses the threshold of an alert.</p>
      {note}
      <ul className="demo-rows">
        {quotes.map(({ symbol, value }) => (
          <li key={symbol} className="demo-row">
            <span className="demo-name">{symbol}</span>
            <span className="demo-value">{number.format(value)}</span>
            <span className="demo-stages">
              {STEPS.map((step) => (
                <button
                  key={step}
                  type="button"
                  aria-label={`${symbol} ${step > 0 ? '+' : '−'}${Math.abs(step)}%`}
                  onClick={() => move(symbol, step)}
                >
                  {step > 0 ? '+' : '−'}
                  {Math.abs(step)}%
                </button>
              ))}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
