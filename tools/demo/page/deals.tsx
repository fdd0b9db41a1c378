import type { SupabaseClient } from '@supabase/supabase-js';
import { type ReactNode, useCallback, useEffect, useState } from 'react';
import { dataOf, useProblem } from './problem.tsx';

interface Deal {
  id: number;
  name: string;
  stage: string;
}

const STAGES = ['new', 'offered', 'won', 'lost'];

/** The user's deals. A rule of examples/crm notifies their owner of each new stage. */
export function Deals({ supabase, path }: { supabase: SupabaseClient; path: string }): ReactNode {
  const [deals, setDeals] = useState<Deal[]>([]);
  const load = useCallback(async () => {
    const { data: user } = await supabase.auth.getSession();
    const query = supabase.from('deals').select('id, name, stage').eq('owner_id', user.session?.user.id);
    setDeals(dataOf(await query.order('id')) ?? []);
  }, [supabase]);
  const { run, note } = useProblem();
  useEffect(() => void run(load), [run, load]);
  const move = (id: number, stage: string): Promise<void> =>
    run(async () => {
      setDeals(deals.map((deal) => (deal.id === id ? { ...deal, stage } : deal)));
      try {
        dataOf(await supabase.from('deals').update({ stage }).eq('id', id));
      } catch (error) {
        setDeals(deals);
        throw error;
      }
      await load();
    });
  return (
    <section className="supapush demo-card" aria-labelledby="deals">
      <h2 id="deals">Deals</h2>
      <p className="supapush-hint">Move a deal to another stage. Its owner, you, gets a notification.</p>
      {note}
      <ul className="demo-rows">
        {deals.map(({ id, name, stage }) => (
          <li key={id} className="demo-row" aria-current={path === `/deals/${id}` ? 'page' : undefined}>
            <span className="demo-name" id={`deal-${id}`}>
              {name}
            </span>
            <fieldset className="demo-stages" aria-labelledby={`deal-${id}`}>
              {STAGES.map((one) => (
                <button
                  key={one}
                  type="button"
                  aria-pressed={one === stage}
                  onClick={() => one !== stage && void move(id, one)}
                >
                  {one}
                </button>
              ))}
            </fieldset>
          </li>
        ))}
      </ul>
    </section>
  );
}
