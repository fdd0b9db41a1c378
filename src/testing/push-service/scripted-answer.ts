import type { ServerResponse } from 'node:http';
import { refusalBody } from './refusal.ts';

/**
 * What the push service answers in place of its own judgement, and how often: `times` is 1 unless given, and
 * `Infinity` until the script is replaced. Except for `accept`, the message is not delivered.
 */
export type ScriptedAnswer = { readonly times?: number } & (
  | {
      /** Judge this request as usual: a good one among bad. */
      readonly kind: 'accept';
      /** What was taken is delivered at once; its answer comes so late, or the connection is reset in place of one. */
      readonly answer?: { readonly afterMs: number } | 'reset';
    }
  | {
      readonly kind: 'status';
      readonly status: number;
      /** Seconds, or an HTTP date. */
      readonly retryAfter?: number | string;
      /** The number in the default body; autopush's usual one for the status unless given. */
      readonly errno?: number;
      /** Replaces the service's usual body. */
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: 301 | 302 | 303 | 307 | 308 }
  | {
      /** Status and headers at once, then a body that takes `milliseconds` to arrive. */
      readonly kind: 'slow-body';
      readonly status: number;
      readonly milliseconds: number;
    }
  | {
      /** Status 201 and its header, a byte every so many milliseconds and never to their end. */
      readonly kind: 'trickle';
      readonly everyMs: number;
    }
  | { /** No answer until the push service stops. */ readonly kind: 'hang' }
  | { /** The connection is reset after the request was read. */ readonly kind: 'reset' }
);

/** The answers scripted for endpoints, and for all of them; an endpoint's own come first. */
export class AnswerScript {
  readonly #answers = new Map<string, ScriptedAnswer[]>();

  /** Replaces what was scripted for `target`; an empty list ends the script. */
  set(target: string, answers: readonly ScriptedAnswer[]): void {
    this.#answers.set(target, [...answers]);
  }

  /** The next answer for a request to `endpoint`, or undefined where nothing is scripted. */
  take(endpoint: string): ScriptedAnswer | undefined {
    return this.#takeFrom(endpoint) ?? this.#takeFrom('all');
  }

  #takeFrom(target: string): ScriptedAnswer | undefined {
    const answers = this.#answers.get(target);
    const answer = answers?.[0];
    if (!answers || !answer) return undefined;
    const left = (answer.times ?? 1) - 1;
    if (left > 0) answers[0] = { ...answer, times: left };
    else answers.shift();
    return answer;
  }
}

/**
 * Lets the answer to a message that was taken go out as scripted.
 *
 * @returns false where the connection is reset in place of it
 */
export function answerTaken(
  script: ScriptedAnswer | undefined,
  response: ServerResponse,
  give: () => void,
): boolean {
  const answer = script?.kind === 'accept' ? script.answer : undefined;
  if (answer === 'reset') {
    response.socket?.resetAndDestroy();
    return false;
  }
  if (answer === undefined) {
    give();
    return true;
  }
  const timer = setTimeout(give, answer.afterMs);
  response.once('close', () => clearTimeout(timer));
  return true;
}

/**
 * Gives a scripted answer; returns the status sent, or null where none was.
 *
 * @param bodyOf the service's usual JSON body of an error; autopush's unless given
 */
export function giveScriptedAnswer(
  answer: Exclude<ScriptedAnswer, { kind: 'accept' }>,
  response: ServerResponse,
  bodyOf: (status: number, errno?: number) => string = autopushBody,
): number | null {
  switch (answer.kind) {
    case 'status': {
      const retryAfter = answer.retryAfter === undefined ? {} : { 'Retry-After': String(answer.retryAfter) };
      response.writeHead(answer.status, {
        ...(answer.body === undefined ? { 'Content-Type': 'application/json' } : {}),
        ...retryAfter,
        ...answer.headers,
      });
      response.end(answer.body ?? bodyOf(answer.status, answer.errno));
      return answer.status;
    }
    case 'redirect': {
      const status = answer.status ?? 302;
      response.writeHead(status, { Location: answer.location, 'Content-Length': 0 }).end();
      return status;
    }
    case 'slow-body':
      trickleBody(response, answer.status, answer.milliseconds, bodyOf(answer.status));
      return answer.status;
    case 'trickle':
      trickleHeader(response, answer.everyMs);
      return null;
    case 'hang':
      return null;
    case 'reset':
      response.socket?.resetAndDestroy();
      return null;
  }
}

const USUAL_ERRNO: Readonly<Record<number, number>> = {
  401: 109,
  403: 109,
  404: 102,
  410: 106,
  413: 104,
  503: 201,
};

function autopushBody(status: number, errno = USUAL_ERRNO[status] ?? 999): string {
  return refusalBody({ status, errno, message: 'Scripted answer.' });
}

function trickleBody(response: ServerResponse, status: number, milliseconds: number, body: string): void {
  const pieces = body.match(/.{1,10}/gs) ?? [];
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  // Headers otherwise wait for the first piece of the body.
  response.flushHeaders();
  const timer = setInterval(() => {
    response.write(pieces.shift() ?? '');
    if (pieces.length === 0) response.end();
  }, milliseconds / pieces.length);
  response.once('close', () => clearInterval(timer));
}

function trickleHeader(response: ServerResponse, everyMs: number): void {
  const { socket } = response;
  const start = 'HTTP/1.1 201 Created\r\nX-Endless: ';
  let written = 0;
  const timer = setInterval(() => {
    socket?.write(start[written] ?? 'x');
    written++;
  }, everyMs);
  response.once('close', () => clearInterval(timer));
}
