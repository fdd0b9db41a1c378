import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import type { PageConfig } from '../support/page-server.ts';

declare global {
  /** What tests tell a page without the SDK to do. */
  var plain: typeof app;
}

const config: Promise<PageConfig> = fetch('/config.json').then((response) => response.json());
const connected: Promise<SupabaseClient> = config.then(({ supabaseUrl, publishableKey }) =>
  createClient(supabaseUrl, publishableKey),
);

const PASSWORD = 'correct horse battery staple';

// The steps of docs/start/frontend.md, by hand.
const app = {
  /** Signs a user up, and returns their id. */
  async signUp(email: string): Promise<string> {
    const { data, error } = await (await connected).auth.signUp({ email, password: PASSWORD });
    if (error) throw error;
    return data.user?.id ?? '';
  },

  async signOut(): Promise<void> {
    const { error } = await (await connected).auth.signOut();
    if (error) throw error;
  },

  /** Registers this browser for the signed-in user, and returns its endpoint. */
  async subscribe(): Promise<string> {
    const { vapidPublicKey } = await config;
    await navigator.serviceWorker.register('/plain-sw.js');
    const registration = await navigator.serviceWorker.ready;
    const subscription = await registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: vapidPublicKey,
    });
    const { endpoint, keys } = subscription.toJSON();
    const { error } = await (await connected).from('push_subscriptions').upsert(
      {
        endpoint,
        p256dh: keys?.p256dh,
        auth: keys?.auth,
        vapid_key: vapidPublicKey,
        user_agent: navigator.userAgent,
      },
      { onConflict: 'endpoint' },
    );
    if (error) throw error;
    return subscription.endpoint;
  },

  /** Ends the browser's subscription and tells the server nothing. */
  async unsubscribe(): Promise<boolean> {
    const registration = await navigator.serviceWorker.ready;
    const subscription = await registration.pushManager.getSubscription();
    return (await subscription?.unsubscribe()) ?? false;
  },

  /** The endpoints that the signed-in user can see. */
  async endpoints(): Promise<string[]> {
    const { data, error } = await (await connected).from('push_subscriptions').select('endpoint');
    if (error) throw error;
    return data.map(({ endpoint }) => endpoint);
  },

  async createDeal(name: string): Promise<number> {
    const { data, error } = await (await connected).from('deals').insert({ name }).select('id').single();
    if (error) throw error;
    return data.id;
  },

  async winDeal(id: number): Promise<void> {
    const { error } = await (await connected).from('deals').update({ stage: 'won' }).eq('id', id);
    if (error) throw error;
  },

  /** The notifications that are shown for this page's service worker. */
  async shown(): Promise<{ title: string; body: string; tag: string; data: Record<string, unknown> }[]> {
    const registration = await navigator.serviceWorker.ready;
    return (await registration.getNotifications()).map(({ title, body, tag, data }) => ({
      title,
      body,
      tag,
      data,
    }));
  },
};

globalThis.plain = app;
