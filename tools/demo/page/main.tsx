import { createClient } from '@supabase/supabase-js';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createPushClient } from '../../../src/device/client/index.ts';
import { App } from './app.tsx';
import '../../../src/device/react/supapush.css';
import './demo.css';

const supabase = createClient(import.meta.env.SUPABASE_URL, import.meta.env.SUPABASE_PUBLISHABLE_KEY);
const push = createPushClient(supabase);

const theme = new URLSearchParams(location.search).get('theme');
if (theme) document.documentElement.dataset.theme = theme;

createRoot(document.querySelector('#root') as Element).render(
  <StrictMode>
    <App supabase={supabase} push={push} />
  </StrictMode>,
);
