import {
  type PushServiceOptions,
  startPushServiceWith,
  type PushService as WithoutBrowsers,
} from '../../../src/testing/push-service/push-service.ts';
import { AutopushSocket } from './autopush-socket.ts';

export type {
  DeviceMessage,
  PushSubscriptionJson,
  ScriptedAnswer,
  VirtualDevice,
} from '../../../src/testing/push-service/push-service.ts';

/** The push service of `src/testing`, which real browsers can use as well. */
export type PushService = WithoutBrowsers & {
  /** `ws://127.0.0.1:PORT/`: what Firefox takes as `dom.push.serverURL`. */
  readonly webSocketUrl: string;
  /** The browsers that said hello: their uaids, what they reported, losing one, and cutting them all off. */
  readonly autopush: Pick<
    AutopushSocket,
    'userAgents' | 'reports' | 'waitForReports' | 'forgetUserAgent' | 'offline' | 'online'
  >;
};

/**
 * Starts a push service on loopback with Mozilla's autopush WebSocket protocol towards browsers, all on one port. Rejects
 * with Node's listen error (`EADDRINUSE` …).
 */
export async function startPushService(options: PushServiceOptions = {}): Promise<PushService> {
  let autopush: AutopushSocket | undefined;
  const service = await startPushServiceWith(options, (store, now) => {
    autopush = new AutopushSocket(store, now);
    return autopush;
  });
  if (!autopush) throw new Error('The push service has made no side for browsers.');
  return { ...service, webSocketUrl: `${service.origin.replace('http:', 'ws:')}/`, autopush };
}
