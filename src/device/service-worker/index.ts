export type { ReceiptEvent } from '../../shared/device-message.ts';
export { installPush } from './install-push.ts';
export type { NotificationMark, PushMessage, ShownOptions } from './push-message.ts';
export type { PushClick, PushOptions } from './push-options.ts';
export type { WorkerClients, WorkerScope, WorkerWindow } from './worker-scope.ts';
