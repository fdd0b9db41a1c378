import { expect, test } from 'vitest';
import { databaseError } from '../../../src/server/database/database-error.ts';
import { errorResponse } from '../../../src/shared/errors.ts';

test.each([
  ['22P05', 400, 'values_refused', null],
  ['22P02', 400, 'values_refused', null],
  ['22003', 400, 'values_refused', null],
  ['23502', 400, 'values_refused', null],
  ['23505', 400, 'values_refused', null],
  ['PT400', 400, 'values_refused', null],
  ['PT418', 400, 'values_refused', null],
  ['40001', 503, 'queue_unreachable', '5'],
  ['40P01', 503, 'queue_unreachable', '5'],
  ['55P03', 503, 'queue_unreachable', '5'],
  ['57014', 503, 'queue_unreachable', '5'],
  ['57P01', 503, 'queue_unreachable', '5'],
  ['08006', 503, 'queue_unreachable', '5'],
  ['53300', 503, 'queue_unreachable', '5'],
  ['PGRST000', 503, 'queue_unreachable', '5'],
  ['PGRST003', 503, 'queue_unreachable', '5'],
  ['', 503, 'queue_unreachable', '5'],
  ['PGRST106', 503, 'schema_not_exposed', null],
  ['PGRST202', 500, 'internal', null],
  ['42501', 500, 'internal', null],
  ['42P01', 500, 'internal', null],
  ['21000', 500, 'internal', null],
  ['P0001', 500, 'internal', null],
  ['XX000', 500, 'internal', null],
  ['SUP', 500, 'internal', null],
])(
  '%s is %i %s, and nothing of the database is in the answer',
  async (sqlstate, status, code, retryAfter) => {
    const secret = 'relation "push.secret" of push_release';
    const error = { code: sqlstate, message: secret, details: secret, hint: secret };
    const answer = errorResponse(databaseError('push_release', { error, status: 0 }));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, retryAfter]);
    const text = await answer.text();
    expect(JSON.parse(text)).toEqual({ code, message: expect.any(String) });
    expect(text).not.toMatch(/push_|push\.|secret/);
    if (sqlstate !== '') expect(text).not.toContain(sqlstate);
  },
);

test('a refusal that the function knows keeps its code, one that it does not know is a bare one', () => {
  const refused = (details: string) => ({ error: { code: 'PT409', details }, status: 409 });
  expect(databaseError('x', refused('endpoint_taken'), ['endpoint_taken']).code).toBe('endpoint_taken');
  expect(databaseError('x', refused('endpoint_taken')).code).toBe('values_refused');
  // Only what push.refuse() raised is one.
  const raised = { error: { code: 'XX000', details: 'endpoint_taken' }, status: 500 };
  expect(databaseError('x', raised, ['endpoint_taken']).code).toBe('internal');
});

test('an answer of no database is a database that did not answer, or a function that may not ask', () => {
  for (const status of [0, 500, 502, 503, 504, 520])
    expect(databaseError('x', { error: {}, status }).code).toBe('queue_unreachable');
  for (const status of [401, 403, 404])
    expect(databaseError('x', { error: {}, status }).code).toBe('internal');
});

test('the call and its code are for the log', () => {
  expect(databaseError('push_release', { error: { code: '42501' }, status: 403 }).cause).toBe(
    'push_release 42501',
  );
});
