import { isRemoved } from '../shared/subscription.ts';
import type { EnvironmentNavigator, PushEnvironment, TrustedTypes } from './environment.ts';
import type { PushClientOptions } from './push-client.ts';
import { PushClientError } from './push-client-error.ts';

type ServiceWorkers = NonNullable<EnvironmentNavigator['serviceWorker']>;

const RETRIES_AFTER_MS = [0, 300, 1500];

/** The app's registration that is there already, without making one. */
export async function findRegistration(
  { navigator, location }: PushEnvironment,
  { serviceWorker = '/sw.js', scope }: PushClientOptions,
): Promise<ServiceWorkerRegistration | undefined> {
  if (isRegistration(serviceWorker)) return serviceWorker;
  const script = new URL(serviceWorker, location.href);
  return await navigator.serviceWorker?.getRegistration(
    new URL(scope ?? './', scope ? location.href : script).href,
  );
}

/** The app's registration, with a service worker that is active. Rejects with `service_worker_failed`. */
export async function ensureRegistration(
  environment: PushEnvironment,
  options: PushClientOptions,
): Promise<ServiceWorkerRegistration> {
  const { serviceWorker = '/sw.js', scope } = options;
  try {
    const registration = isRegistration(serviceWorker)
      ? serviceWorker
      : await (environment.navigator.serviceWorker as ServiceWorkers).register(
          scriptOf(environment, serviceWorker),
          scope ? { scope } : {},
        );
    if (!registration.active) await untilActive(registration);
    return registration;
  } catch (cause) {
    // Consoles show no cause of an uncaught error, and this is the first thing to go wrong in a new app.
    const message = isRegistration(serviceWorker)
      ? ''
      : `${serviceWorker} could not be registered. Is node_modules/supapush/dist/sw.js served there?`;
    throw new PushClientError('service_worker_failed', { message, cause });
  }
}

let policy: ReturnType<TrustedTypes['createPolicy']> | undefined;

/** What `register()` takes under `require-trusted-types-for 'script'`, too: the app has said itself which script it is. */
function scriptOf({ trustedTypes }: PushEnvironment, script: string | URL): string {
  try {
    policy ??= trustedTypes?.createPolicy('supapush', { createScriptURL: (url) => url });
  } catch {
    // The page's `trusted-types` does not name it. It may have a default policy, or register() says what is wrong.
  }
  return (policy?.createScriptURL(String(script)) ?? script) as string;
}

function isRegistration(
  value: NonNullable<PushClientOptions['serviceWorker']>,
): value is ServiceWorkerRegistration {
  return typeof value === 'object' && 'pushManager' in value;
}

// Not navigator.serviceWorker.ready: that waits for a scope that this page lies in, which it need not.
function untilActive(registration: ServiceWorkerRegistration): Promise<void> {
  const worker = registration.installing ?? registration.waiting;
  return new Promise((resolve, reject) => {
    const check = () => {
      if (registration.active) resolve();
      else if (!worker || worker.state === 'redundant')
        reject(new Error('The service worker did not start.'));
    };
    worker?.addEventListener('statechange', check);
    check();
  });
}

/** Subscribes anew. Rejects with `permission_denied` or `subscribe_failed`. */
export async function subscribeBrowser(
  { pushManager }: ServiceWorkerRegistration,
  vapidKey: string,
): Promise<PushSubscription> {
  let cause: unknown;
  for (const delay of RETRIES_AFTER_MS) {
    if (delay) await new Promise((resolve) => setTimeout(resolve, delay));
    try {
      const subscription = await pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: vapidKey,
      });
      if (!isRemoved(subscription.endpoint)) return subscription;
      cause = new Error(subscription.endpoint);
      await subscription.unsubscribe();
    } catch (error) {
      cause = error;
      const { name } = error as Error;
      if (name === 'NotAllowedError') throw new PushClientError('permission_denied', { cause });
      // One with another key is in the way; another tab may have made it just now.
      if (name === 'InvalidStateError') await (await pushManager.getSubscription())?.unsubscribe();
      else break;
    }
  }
  throw new PushClientError('subscribe_failed', { cause });
}
