export { createPushClient } from './create-push-client.ts';
export type * from './push-client.ts';
export { PushClientError, type PushClientErrorCode } from './push-client-error.ts';
export type { PushSupabaseClient } from './supabase.ts';
