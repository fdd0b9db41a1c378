import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import {
  createPushClient,
  type PushClient,
  type PushClientOptions,
} from '../../../src/device/client/index.ts';
import type { PageConfig } from '../support/page-server.ts';

declare global {
  /** What tests work with inside of the app's page. */
  var app: App;
  /** Resolves with `app` after the first `sync()`. */
  var appReady: Promise<App>;
}

interface App {
  push: PushClient;
  /** Another client of the same user, in place of `push`. */
  makePush(options: PushClientOptions): PushClient;
  /** Signs a user up, and returns their id. */
  signUp(email: string): Promise<string>;
  signIn(email: string): Promise<string>;
  signOut(): Promise<void>;
  createDeal(name: string): Promise<number>;
  winDeal(id: number): Promise<void>;
}

const PASSWORD = 'correct horse battery staple';

/** An app as docs/start/frontend.md says to write one, without a user interface. */
async function start(): Promise<App> {
  const config: PageConfig = await (await fetch('/config.json')).json();
  const supabase: SupabaseClient = createClient(config.supabaseUrl, config.publishableKey);
  const push = createPushClient(supabase);
  globalThis.app = {
    push,
    makePush(options) {
      globalThis.app.push.dispose();
      globalThis.app.push = createPushClient(supabase, options);
      return globalThis.app.push;
    },
    async signUp(email) {
      const { data, error } = await supabase.auth.signUp({ email, password: PASSWORD });
      if (error) throw error;
      return data.user?.id ?? '';
    },
    async signIn(email) {
      const { data, error } = await supabase.auth.signInWithPassword({ email, password: PASSWORD });
      if (error) throw error;
      return data.user.id;
    },
    async signOut() {
      const { error } = await supabase.auth.signOut();
      if (error) throw error;
    },
    async createDeal(name) {
      const { data, error } = await supabase.from('deals').insert({ name }).select('id').single();
      if (error) throw error;
      return data.id;
    },
    async winDeal(id) {
      const { error } = await supabase.from('deals').update({ stage: 'won' }).eq('id', id);
      if (error) throw error;
    },
  };
  await push.sync();
  return globalThis.app;
}

globalThis.appReady = start();
