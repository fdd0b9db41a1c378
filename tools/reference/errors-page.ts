import { CLIENT_ERRORS } from '../../src/device/client/push-client-error.ts';
import { ERRORS } from '../../src/shared/errors.ts';
import type { SchemaFile } from '../quality/schema/schema-files.ts';
import type { Links } from './links.ts';
import { code, page, prose, table } from './markdown.ts';
import { type Refusal, readAlarms, readRefusals } from './refusals.ts';

/** `errors.md`: every error code, by who raises it. */
export function errorsPage(files: SchemaFile[], links: Links): string {
  const refusals = readRefusals(files);
  const groups = Map.groupBy(refusals, (refusal) => refusal.capability);
  const functions: [string, { status: number; message: string; retryAfter?: number }][] =
    Object.entries(ERRORS);
  return page('Errors', [
    'Every error has a machine code, and a message or a hint that says what to do. Codes stay; messages may change.',
    '| raised by | the code is in | what to do is in |\n| --- | --- | --- |\n' +
      '| [the database](#the-database), over supabase-js | `error.details` | `error.hint` |\n' +
      '| the database, in SQL | `detail` (`pg_exception_detail`) | `hint` |\n' +
      '| [the Edge Functions](#the-edge-functions) | `code` of the body | `message` of the body |\n' +
      '| [the client](#the-client) | `error.code` (`PushClientError`) | `error.hint` |\n' +
      '| [operation](#operation) | `push.alarms.code`, `reasons` of `push-health` | `message` |',
    'In messages, `…` stands for what is only known then.',
    '## The database',
    'Raised by `push.refuse()`: the SQLSTATE is `PT` and the HTTP status. Values that a check constraint refuses are ' +
      '`value_refused` (SQLSTATE 23514), and rows of other users `42501` without a code of ours.',
    ...[...groups].flatMap(([title, members]) => [
      `### ${title}`,
      table(
        ['code', 'status', 'message', 'what to do'],
        byCode(members).map(({ code: name, status, messages, hints }) => [
          code(name),
          String(status),
          messages.map((text) => prose(text, links)).join('<br>'),
          hints.map((text) => prose(text, links)).join('<br>'),
        ]),
      ),
    ]),
    '## The Edge Functions',
    'Which function answers what is in [openapi.json](openapi.json). Where seconds are given, `Retry-After` says them too.',
    table(
      ['code', 'status', 'message', 'again after'],
      functions.map(([name, { status, message, retryAfter }]) => [
        code(name),
        String(status),
        prose(message),
        retryAfter === undefined ? '' : `${retryAfter} s`,
      ]),
    ),
    '## The client',
    '`createPushClient()` throws a `PushClientError`. Its `status` is set where the project answered. Codes of the database, such as ' +
      '`too_many_tests`, come through as they are.',
    table(
      ['code', 'message', 'what to do'],
      Object.entries(CLIENT_ERRORS).map(([name, [message, hint]]) => [
        code(name),
        prose(message),
        prose(hint),
      ]),
    ),
    '## Operation',
    'In [`push.alarms`](tables.md#pushalarms) while they last, and among the reasons why `push-health` answers 503. Those of sources of ' +
      'quotes are in `push.quote_sources.last_error_code`.',
    table(
      ['code', 'message'],
      byCode(readAlarms(files)).map(({ code: name, messages }) => [
        code(name),
        messages.map((text) => prose(text, links)).join('<br>'),
      ]),
    ),
  ]);
}

interface Told {
  code: string;
  status: number | null;
  messages: string[];
  hints: string[];
}

/** One entry for each code and status, in the order of codes, with all that is said with it. */
function byCode(refusals: Refusal[]): Told[] {
  const distinct = (texts: string[]) => [...new Set(texts.filter((text) => text !== ''))];
  return [...Map.groupBy(refusals, ({ code: name, status }) => `${name} ${status}`).values()]
    .flatMap((members) => {
      const [first] = members;
      if (first === undefined) return [];
      return [
        {
          code: first.code,
          status: first.status,
          messages: distinct(members.map(({ message }) => message)),
          hints: distinct(members.map(({ hint }) => hint)),
        },
      ];
    })
    .sort((one, other) => (one.code < other.code ? -1 : 1));
}
