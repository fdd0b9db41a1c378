import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES = join(
  fileURLToPath(new URL('../../../', import.meta.url)),
  'src/server/database/types.generated.ts',
);

/** What a page's snippets take from their reader. The tables and functions are those of the generated types. */
export const PRESUPPOSED = `
import type { SupabaseClient } from '@supabase/supabase-js';
import type { PushClient } from 'supapush/client';
import type { Database } from '${TYPES}';

declare global {
  const supabase: SupabaseClient<Database>;
  const push: PushClient;
  const { createPushClient }: typeof import('supapush/client');
  const { PushProvider, InboxBell }: typeof import('supapush/react');
  const userId: string, id: string, token: string, receipt: string, endpoint: string, key: string, SUPABASE_URL: string;
  const keys: { p256dh: string; auth: string };
  const router: { push(path: string): void };
  function reload(): void;
  function navigate(url: string): void;
  // The sessions of another provider, in whatever form it has them.
  const provider: {
    session(): Promise<{ userId: string } | null>;
    onChange(listener: (session: { userId: string } | null) => void): () => void;
  };
  // A worker's script, which has no modules.
  const supapush: typeof import('supapush/service-worker');
  function importScripts(...urls: string[]): void;
}
`;

/** The first line of a script for a service worker, where \`self\` is no window. */
export const WORKER_SCRIPT = `declare const self: import('supapush/service-worker').WorkerScope;`;

/**
 * Packages of frameworks that are not installed here, as far as the pages use them: what is checked is our side of such a
 * file, and that it is a program.
 */
export const FRAMEWORKS = `
// The client that an app has.
declare module '*/supabase' {
  export const supabase: import('@supabase/supabase-js').SupabaseClient;
}
// That of the quick start, where a page goes by it.
declare module '*/push' {
  export const push: import('supapush/client').PushClient;
}
declare module 'next/navigation' {
  export function useRouter(): { push(path: string): void };
}
declare module 'vue' {
  export function ref<T>(value: T): { value: T };
  export function onUnmounted(work: () => void): void;
}
declare module 'vite-plugin-pwa' {
  export function VitePWA(options: { registerType?: 'autoUpdate'; workbox?: { importScripts?: string[] } }): import('vite').Plugin[];
}
declare module 'workbox-precaching' {
  export function precacheAndRoute(entries: { url: string; revision: string | null }[]): void;
}
declare module '@react-native-firebase/messaging' {
  export namespace FirebaseMessagingTypes {
    interface RemoteMessage {
      data?: { [key: string]: string | object };
    }
  }
  type Message = FirebaseMessagingTypes.RemoteMessage;
  interface Messaging {
    readonly app: object;
  }
  export function getMessaging(): Messaging;
  export function getToken(messaging: Messaging): Promise<string>;
  export function getInitialNotification(messaging: Messaging): Promise<Message | null>;
  export function onTokenRefresh(messaging: Messaging, listener: (token: string) => unknown): () => void;
  export function onMessage(messaging: Messaging, listener: (message: Message) => unknown): () => void;
  export function onNotificationOpenedApp(messaging: Messaging, listener: (message: Message) => unknown): () => void;
}
`;
