export { installPush } from './install-push.ts';
export type { NotificationMark, PushMessage, ShownOptions } from './push-message.ts';
export type { PushClick, PushOptions } from './push-options.ts';
export type { ReceiptEvent } from './receipt-queue.ts';
export type { WorkerClients, WorkerScope, WorkerWindow } from './worker-scope.ts';
