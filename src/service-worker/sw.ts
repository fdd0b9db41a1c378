import { installPush } from './install-push.ts';
import type { WorkerScope } from './worker-scope.ts';

// The ready script: a worker of its own, or loaded into an app's by `importScripts()`, which can then set options by
// `supapush.installPush(self, { … })`.
const scope = globalThis as unknown as WorkerScope;

// A worker of its own has no caches and no pages to be careful about, so a new version need not wait; in somebody else's
// that would be theirs to decide. Only the stack tells which script is running: there is no `document.currentScript` here.
const running = /https?:\/\/[^\s)]+?(?=:\d+:\d+)/.exec(new Error().stack ?? '')?.[0];

installPush(scope, { claim: running === scope.location.href });

export { installPush };
