import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ObservedList, type WaitOptions } from '../../../src/testing/push-service/observed-list.ts';
import { readBody } from '../../../src/testing/push-service/request-body.ts';
import {
  AnswerScript,
  answerTaken,
  giveScriptedAnswer,
  type ScriptedAnswer,
} from '../../../src/testing/push-service/scripted-answer.ts';
import { createAccessTokenIssuer } from './access-tokens.ts';
import { FcmDevice } from './fcm-device.ts';
import { GOOGLE_ERRORS, type GoogleError, googleErrorBody } from './google-error.ts';
import {
  createServiceAccountKey,
  localServiceAccount,
  type ServiceAccountFile,
} from './local-service-account.ts';
import { readMessage } from './message-shape.ts';

export type { FcmDevice, FcmDeviceMessage } from './fcm-device.ts';
export { GOOGLE_ERRORS, scriptedGoogleError } from './google-error.ts';

export type FcmServiceOptions = {
  /** The key of the service account, PKCS#8 in PEM; a new one unless given. */
  readonly privateKey?: string;
  /** How long an access token holds; an hour unless given, as at Google. */
  readonly tokenLifetimeSeconds?: number;
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number;
};

/** One request and what became of it. */
export type ReceivedFcmRequest = {
  /** `sign-in` asks for an access token, `send` sends a message. */
  readonly kind: 'sign-in' | 'send' | 'unknown';
  /** Null if no answer was given: a scripted hang or reset. */
  readonly status: number | null;
  readonly scripted: boolean;
  /** Whom it was for, where that could be read. */
  readonly token: string | null;
};

export type FcmService = {
  /** `http://127.0.0.1:PORT/v1`: what stands in `push.hosts` for it. */
  readonly baseUrl: string;
  /** What FCM_SERVICE_ACCOUNT holds, as JSON. */
  readonly serviceAccount: ServiceAccountFile;
  readonly received: readonly ReceivedFcmRequest[];
  /** Registers an app on a new device; one of another Firebase project has a foreign sender. */
  createDevice(options?: { readonly project?: string }): FcmDevice;
  /** Scripts the answers to the next messages for one token, or for all without a script of their own. */
  script(token: string, answers: ScriptedAnswer | readonly ScriptedAnswer[]): void;
  /** Scripts the answers to the next requests for an access token. */
  scriptSignIn(answers: ScriptedAnswer | readonly ScriptedAnswer[]): void;
  /** Ends every access token given so far: senders get 401 until they ask for another. */
  revokeAccessTokens(): void;
  /** Resolves with the first `count` (1) requests for which `matches` holds, earlier ones included. */
  waitFor(
    matches: (request: ReceivedFcmRequest) => boolean,
    options?: WaitOptions & { readonly count?: number },
  ): Promise<ReceivedFcmRequest[]>;
  /** Drops every connection, unanswered requests included, and frees the port. May be called again. */
  stop(): Promise<void>;
};

const KEEP_ALIVE_MS = 120_000;
const MAX_BODY_BYTES = 65_536;

/**
 * Starts an FCM on loopback: Google's token endpoint at `/token` and HTTP v1's `projects.messages.send`, with apps on
 * virtual devices behind it. Messages are judged as the real one does: credentials, shape, size, token, sender.
 */
export async function startFcmService(options: FcmServiceOptions = {}): Promise<FcmService> {
  const { now = Date.now, tokenLifetimeSeconds = 3600, privateKey = createServiceAccountKey() } = options;
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });

  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const serviceAccount = localServiceAccount(origin, privateKey);
  const issuer = createAccessTokenIssuer(serviceAccount, { now, lifetimeSeconds: tokenLifetimeSeconds });
  const script = new AnswerScript();
  const signInScript = new AnswerScript();
  const received = new ObservedList<ReceivedFcmRequest>('requests at the FCM service');
  const devices = new Map<string, FcmDevice>();
  let stopped: Promise<void> | undefined;

  const send = (request: IncomingMessage, body: string): { token: string | null; error?: GoogleError } => {
    const message = readMessage(body);
    const token = 'token' in message ? message.token : null;
    if (!issuer.accepts(request.headers.authorization))
      return { token, error: GOOGLE_ERRORS.unauthenticated };
    if (request.url !== `/v1/projects/${serviceAccount.project_id}/messages:send`) {
      return { token, error: GOOGLE_ERRORS.otherProject };
    }
    if (!('token' in message)) return { token, error: message };
    const device = devices.get(message.token);
    if (!device) return { token, error: GOOGLE_ERRORS.invalidToken };
    if (!device.registered) return { token, error: GOOGLE_ERRORS.unregistered };
    if (device.project !== serviceAccount.project_id) return { token, error: GOOGLE_ERRORS.senderMismatch };
    device.receive({ ...message, id: randomUUID(), arrivedAt: now() });
    return { token };
  };

  /** Answers one request and says what it was. */
  const answer = (request: IncomingMessage, response: ServerResponse, body: string): ReceivedFcmRequest => {
    const json = (status: number, text: string) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(text);
      return { status, scripted: false };
    };
    const scripted = (next: ScriptedAnswer | undefined) => {
      if (!next || next.kind === 'accept') return undefined;
      return { status: giveScriptedAnswer(next, response, scriptedBody), scripted: true };
    };

    if (request.method === 'POST' && request.url === '/token') {
      const base = { kind: 'sign-in', token: null } as const;
      const early = scripted(signInScript.take('all'));
      if (early) return { ...base, ...early };
      const { status, body: granted } = issuer.exchange(body);
      return { ...base, ...json(status, JSON.stringify(granted)) };
    }
    if (request.method === 'POST' && /^\/v1\/projects\/[^/]+\/messages:send$/.test(request.url ?? '')) {
      const next = script.take(tokenOf(body) ?? '');
      const early = scripted(next);
      if (early) return { kind: 'send', token: tokenOf(body), ...early };
      const { token, error } = send(request, body);
      if (error) return { kind: 'send', token, ...json(error.httpStatus, googleErrorBody(error)) };
      const name = `projects/${serviceAccount.project_id}/messages/${randomUUID()}`;
      const answered = answerTaken(next, response, () => json(200, JSON.stringify({ name })));
      return { kind: 'send', token, status: answered ? 200 : null, scripted: false };
    }
    return { kind: 'unknown', token: null, ...json(404, googleErrorBody(GOOGLE_ERRORS.notFound)) };
  };

  server.on('request', async (request, response) => {
    try {
      const { bytes } = await readBody(request, MAX_BODY_BYTES);
      received.add(answer(request, response, bytes.toString()));
    } catch (error) {
      // A sender that gave up in the middle of its request expects no answer.
      if (request.destroyed && !request.complete) return;
      console.error('The local FCM service failed on a request:', error);
      response.destroy();
    }
  });

  return {
    baseUrl: `${origin}/v1`,
    serviceAccount,
    received: received.items,
    createDevice({ project = serviceAccount.project_id } = {}) {
      const device = new FcmDevice(project);
      devices.set(device.token, device);
      return device;
    },
    script: (token, answers) => script.set(token, 'kind' in answers ? [answers] : answers),
    scriptSignIn: (answers) => signInScript.set('all', 'kind' in answers ? [answers] : answers),
    revokeAccessTokens: () => issuer.revokeAll(),
    waitFor: (matches, { count = 1, ...wait } = {}) => received.waitFor(matches, count, wait),
    stop() {
      stopped ??= new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
        received.close();
        for (const device of devices.values()) device.close();
      });
      return stopped;
    },
  };
}

/** Whom a body names, however wrong the rest of it is. */
function tokenOf(body: string): string | null {
  try {
    const { token } = (JSON.parse(body) as { message: { token: unknown } }).message;
    return typeof token === 'string' ? token : null;
  } catch {
    return null;
  }
}

function scriptedBody(status: number): string {
  return googleErrorBody({ httpStatus: status, status: 'SCRIPTED', message: 'Scripted answer.' });
}
