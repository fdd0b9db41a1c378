/** Every error that the client itself raises: what happened, and what to do. The database's own come with theirs. */
export const CLIENT_ERRORS = {
  unsupported: [
    'This browser does not support push notifications.',
    'Open the page in a current Chrome, Edge, Firefox or Safari, not inside another app or in a private window.',
  ],
  insecure_origin: [
    'The page is not served over https.',
    'Serve it over https. Plain http works only on localhost.',
  ],
  needs_install: [
    'On iPhone and iPad, push works only for apps on the Home Screen.',
    'Ask the user to choose Share, then "Add to Home Screen", and to open the app from there.',
  ],
  permission_denied: [
    'Notifications are blocked.',
    "Only the user can allow them, in the browser's settings for this page. Explain where those are.",
  ],
  permission_dismissed: [
    'The permission prompt was closed without an answer.',
    'Ask again later, after a click.',
  ],
  service_worker_failed: [
    'The service worker could not be registered.',
    'Copy node_modules/supapush/dist/sw.js to where your app serves its files, or set the option serviceWorker to where it is.',
  ],
  worker_without_push: [
    'The service worker is without the push handler of Supapush.',
    "Load it there: importScripts('/supapush-sw.js'), a copy of node_modules/supapush/dist/sw.js (vite-plugin-pwa: workbox.importScripts).",
  ],
  subscribe_failed: [
    'The browser could not subscribe to its push service.',
    'Try again. If it keeps failing, something blocks the push service: a proxy, a private window, or a browser setting.',
  ],
  not_signed_in: ['No user is signed in.', 'Sign in first.'],
  session_unknown: [
    'The Supabase client does not say who is signed in.',
    'Made with accessToken, it cannot: use the options userId and onUserChange.',
  ],
  session_elsewhere: [
    'The session is not that of the Supabase client.',
    'Sign out at your provider: onUserChange then takes the device back.',
  ],
  user_id_not_uuid: [
    'The id of the user is no uuid.',
    'It is the id in auth.users: have your provider put that into the claim sub.',
  ],
  not_configured: ['The project has no VAPID key yet.', 'Run "npx supapush connect" for the project.'],
  not_installed: [
    'A part of Supapush is missing in the database.',
    'Apply its migrations: supabase db push.',
  ],
  schema_not_exposed: [
    'The project does not serve the schema public, where the tables of Supapush are.',
    'Add it: Dashboard → Project Settings → Data API → Exposed schemas.',
  ],
  forbidden: ['The database does not allow this.', 'Sign in as the user who owns this data.'],
  not_found: ['This user has no such item.', 'It may have been deleted. Load the list again.'],
  offline: ['The project cannot be reached.', 'Try again when the device is online.'],
  failed: ['The project refused the request.', 'See the message and the status.'],
} as const;

export type PushClientErrorCode = keyof typeof CLIENT_ERRORS;

/**
 * What went wrong: `code` for programs, `message` what it was, `hint` what to do about it, and the HTTP `status` where
 * the project answered. `code` is one of `PushClientErrorCode`, or one that the database raised (`too_many_tests`).
 */
export class PushClientError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly status: number | undefined;

  constructor(
    code: string,
    {
      message,
      hint,
      status,
      cause,
    }: { message?: string; hint?: string; status?: number; cause?: unknown } = {},
  ) {
    const known = CLIENT_ERRORS[code as PushClientErrorCode] ?? CLIENT_ERRORS.failed;
    super(message || known[0], cause === undefined ? undefined : { cause });
    this.name = 'PushClientError';
    this.code = code;
    this.hint = hint || known[1];
    this.status = status;
  }
}

/** Whether an error is one of ours with this code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof PushClientError && error.code === code;
}

/** Whether the project was not reached, so that the same may work later. */
export function isOffline(error: unknown): boolean {
  return hasCode(error, 'offline');
}
