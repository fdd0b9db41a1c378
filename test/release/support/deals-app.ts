import { COMPILER, INDEX } from '../../support/vite-app.ts';

/** An app as a template of Vite's and a week of work leave it: a client, sessions, a list, tables, migrations that are newer than ours. */
export const DEALS_APP: Readonly<Record<string, string>> = {
  '.gitignore': 'node_modules\ndist\n*.local\n',
  'index.html': INDEX('main.tsx'),
  'tsconfig.json': COMPILER,
  'src/supabase.ts': `import { createClient } from '@supabase/supabase-js';

const { VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY } = import.meta.env;
export const supabase = createClient(VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY);
`,
  'src/main.tsx': `import { createRoot } from 'react-dom/client';
import App from './App';
import { supabase } from './supabase';

const { data } = await supabase.auth.getSession();
if (!data.session) {
  const { error } = await supabase.auth.signUp({ email: 'anna@example.com', password: crypto.randomUUID() });
  if (error) throw error;
}
createRoot(document.getElementById('root')!).render(<App />);
`,
  'src/App.tsx': `import { Deals } from './Deals';

export default function App() {
  return (
    <main>
      <Deals />
    </main>
  );
}
`,
  'src/Deals.tsx': `import { useState } from 'react';
import { supabase } from './supabase';

export function Deals() {
  const [stage, setStage] = useState('');
  async function add() {
    const { error } = await supabase.from('deals').insert({ name: 'Acme', stage: 'new' });
    setStage(error ? error.message : 'new');
  }
  async function win() {
    const { error } = await supabase.from('deals').update({ stage: 'won' }).eq('name', 'Acme');
    setStage(error ? error.message : 'won');
  }
  return (
    <>
      <button onClick={add}>Add a deal</button>
      <button onClick={win}>Win it</button>
      <p>{stage && \`Acme: \${stage}\`}</p>
    </>
  );
}
`,
  'supabase/migrations/20261122090000_deals.sql': `create table public.deals (
  id bigint generated always as identity primary key,
  owner_id uuid not null default auth.uid() references auth.users on delete cascade,
  name text not null,
  stage text not null
);
alter table public.deals enable row level security;
create policy "owners have their deals" on public.deals to authenticated using (owner_id = auth.uid());
grant select, insert, update, delete on public.deals to authenticated;
`,
  'supabase/migrations/20280101000000_nightly.sql': `create extension if not exists pg_cron;
create extension if not exists pg_net with schema extensions;
select cron.schedule('nightly', '0 3 * * *', 'delete from public.deals where stage = ''lost''');
`,
};

export const DEALS_MANIFEST = {
  scripts: { build: 'tsc && vite build --logLevel warn' },
  dependencies: { '@supabase/supabase-js': '^2.0.0', react: '^19.0.0', 'react-dom': '^19.0.0' },
  devDependencies: { supabase: '^2.0.0', typescript: '^7.0.0', vite: '^8.0.0' },
};
