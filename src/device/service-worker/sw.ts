import { installPush } from './install-push.ts';
import type { WorkerScope } from './worker-scope.ts';

// The ready script: a worker of its own, or loaded into an app's by `importScripts()`, which can then set options by
// `supapush.installPush(self, { … })`.
const scope = globalThis as unknown as WorkerScope;

// When this script is the whole worker, it has no caches and no pages to protect, so a new version need not wait. When an
// app's worker imports it, the app decides. Only the stack tells which script runs: workers have no `document.currentScript`.
const running = /https?:\/\/[^\s)]+?(?=:\d+:\d+)/.exec(new Error().stack ?? '')?.[0];

installPush(scope, { claim: running === scope.location.href });

export { installPush };
