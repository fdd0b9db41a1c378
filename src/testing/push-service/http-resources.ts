import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { readEncryptedRecord } from './content-encryption.ts';
import type { MessageStore } from './message-store.ts';
import type { ObservedList } from './observed-list.ts';
import { type PushHeaders, readPushHeaders, type Urgency } from './push-headers.ts';
import { REFUSALS, type Refusal, refusalBody } from './refusal.ts';
import { type RequestBody, readBody } from './request-body.ts';
import {
  type AnswerScript,
  answerTaken,
  giveScriptedAnswer,
  type ScriptedAnswer,
} from './scripted-answer.ts';
import type { VapidVerifier } from './vapid-verification.ts';

/** One request of a sender and what became of it. */
export type ReceivedRequest = {
  /** Milliseconds since 1970 by the push service's clock, when the request had been read. */
  readonly receivedAt: number;
  readonly method: string;
  /** The whole URL: a push endpoint, or the resource of a message. */
  readonly url: string;
  readonly outcome: 'accepted' | 'withdrawn' | 'refused' | 'scripted';
  /** Null if no answer was given: a scripted hang or reset. */
  readonly status: number | null;
  /** Why it was refused, or null. */
  readonly refusal: Refusal | null;
  readonly messageId: string | null;
  /** What the sender asked for; null where the request did not get so far. */
  readonly ttl: number | null;
  readonly topic: string | null;
  readonly urgency: Urgency | null;
  /** Bytes of the body. */
  readonly size: number;
};

export type HttpResourcesOptions = {
  readonly origin: string;
  readonly now: () => number;
  readonly store: MessageStore;
  readonly script: AnswerScript;
  readonly verifyVapid: VapidVerifier;
  readonly received: ObservedList<ReceivedRequest>;
};

type Judgement = {
  readonly outcome: ReceivedRequest['outcome'];
  readonly status: number | null;
  readonly refusal?: Refusal;
  readonly messageId?: string;
  readonly headers?: PushHeaders;
};

/** RFC 8030 section 7.2 lets a push service refuse more; all of them do. */
const MAX_BODY_BYTES = 4096;

/**
 * The senders' side of the push service: `POST /push/<token>` sends (RFC 8030 section 5), `DELETE
 * /message/<id>` withdraws what was not delivered yet. Refusals carry autopush's JSON body.
 */
export function createHttpResources(options: HttpResourcesOptions): RequestListener {
  return async (request, response) => {
    try {
      // The body is read before anything is answered: a refusal before that would reset the connection.
      const body = await readBody(request, MAX_BODY_BYTES);
      const judgement = judge(options, request, response, body);
      if (judgement.refusal) refuse(response, judgement.refusal);
      record(options, request, body.size, judgement);
    } catch (error) {
      // A sender that gave up in the middle of its request expects no answer.
      if (request.destroyed && !request.complete) return;
      console.error('The local push service failed on a request:', error);
      if (response.headersSent) response.destroy();
      else refuse(response, REFUSALS.internal);
    }
  };
}

function judge(
  options: HttpResourcesOptions,
  request: IncomingMessage,
  response: ServerResponse,
  body: RequestBody,
): Judgement {
  const [, kind, name, ...rest] = (request.url ?? '').split('/');
  if (!name || rest.length > 0 || (kind !== 'push' && kind !== 'message')) {
    return refused(REFUSALS.unknownEndpoint);
  }
  if (kind === 'push') {
    if (request.method !== 'POST') return refused(REFUSALS.methodNotAllowed);
    const answer = options.script.take(`${options.origin}/push/${name}`);
    if (answer && answer.kind !== 'accept') {
      return { outcome: 'scripted', status: giveScriptedAnswer(answer, response) };
    }
    return push(options, request, response, name, body, answer);
  }
  if (request.method !== 'DELETE') return refused(REFUSALS.methodNotAllowed);
  if (!options.store.withdraw(name)) return refused(REFUSALS.unknownMessage);
  response.writeHead(204).end();
  return { outcome: 'withdrawn', status: 204, messageId: name };
}

function push(
  { origin, store, verifyVapid }: HttpResourcesOptions,
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
  { bytes, size }: RequestBody,
  script: ScriptedAnswer | undefined,
): Judgement {
  const subscription = store.find(token);
  if (!subscription) return refused(REFUSALS.unknownEndpoint);
  if (subscription.gone) return refused(REFUSALS.gone);
  const credentials = verifyVapid(request.headers.authorization, subscription.applicationServerKey);
  if ('status' in credentials) return refused(credentials);
  const headers = readPushHeaders(request.headers);
  if ('status' in headers) return refused(headers);
  if (size > MAX_BODY_BYTES) return refused(REFUSALS.tooLarge, headers);
  if (size > 0) {
    if (request.headers['content-encoding'] !== 'aes128gcm')
      return refused(REFUSALS.invalidEncoding, headers);
    if (!readEncryptedRecord(bytes)) return refused(REFUSALS.invalidRecord, headers);
  }
  const message = store.accept(subscription, headers, size > 0 ? bytes : null);
  const answered = answerTaken(script, response, () =>
    response
      .writeHead(201, {
        Location: `${origin}/message/${message.id}`,
        TTL: message.ttl,
        'Content-Length': 0,
      })
      .end(),
  );
  return { outcome: 'accepted', status: answered ? 201 : null, messageId: message.id, headers };
}

function refused(refusal: Refusal, headers?: PushHeaders): Judgement {
  return { outcome: 'refused', status: refusal.status, refusal, ...(headers ? { headers } : {}) };
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  response
    .writeHead(refusal.status, {
      'Content-Type': 'application/json',
      ...(refusal.status === 401 ? { 'WWW-Authenticate': 'vapid' } : {}),
    })
    .end(refusalBody(refusal));
}

function record(
  { origin, now, received }: HttpResourcesOptions,
  request: IncomingMessage,
  size: number,
  { outcome, status, refusal, messageId, headers }: Judgement,
): void {
  received.add({
    receivedAt: now(),
    method: request.method ?? '',
    url: `${origin}${request.url ?? ''}`,
    outcome,
    status,
    refusal: refusal ?? null,
    messageId: messageId ?? null,
    ttl: headers?.ttl ?? null,
    topic: headers?.topic ?? null,
    urgency: headers?.urgency ?? null,
    size,
  });
}
