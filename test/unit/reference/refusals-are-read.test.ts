import { expect, test } from 'vitest';
import { readComment } from '../../../tools/reference/comments.ts';
import { prose, table } from '../../../tools/reference/markdown.ts';
import { readAlarms, readRefusals } from '../../../tools/reference/refusals.ts';

const PATH = '40_notifications/planted.sql';
const file = (text: string) => [{ path: PATH, text }];
const refusals = (text: string) => readRefusals(file(text));

test('a refusal is read with its code, status, message and hint', () => {
  expect(
    refusals(`if true then
      -- push.refuse(400, 'in_a_comment') is not one: nothing performs it.
      perform push.refuse(409, 'idempotency_conflict',
        'This user''s key, was used', -- once
        'Use another: ' || 'a new one.');
    end if;`),
  ).toEqual([
    {
      code: 'idempotency_conflict',
      status: 409,
      message: "This user's key, was used",
      hint: 'Use another: a new one.',
      capability: 'Notifications',
    },
  ]);
});

test.each([
  [`format('%s has %I; 100%% of (%s)', p_table, left(v, 3), 1)`, '… has …; 100% of (…)'],
  [`'The last error: ' || coalesce(v_said, sqlerrm)`, 'The last error: …'],
  [`pg_catalog.format('It is %s.', v)`, 'It is ….'],
  [`coalesce(v_hint, 'It must satisfy: ' || v_check.expression)`, 'It must satisfy: …'],
  [`case when v then 'One.' else format('Two, %s.', v) end`, 'One. / Two, ….'],
  [`'in two '\n        'lines'`, 'in two lines'],
  ['v_message', '…'],
])('the message %s is told as "%s"', (expression, message) => {
  expect(refusals(`perform push.refuse(400, 'planted', ${expression}, 'Hint.');`)).toMatchObject([
    { message, hint: 'Hint.' },
  ]);
});

test('an error that is raised without push.refuse() is one where it has a code', () => {
  expect(
    refusals(`raise exception using errcode = 'PT403', detail = 'user_id_not_uuid', message = 'No uuid.', hint = 'Fix it.';
      raise exception using errcode = '42501', message = 'no code';`),
  ).toMatchObject([{ code: 'user_id_not_uuid', status: 403, message: 'No uuid.', hint: 'Fix it.' }]);
});

test('a code that is not written out is refused, unless an error is only raised again', () => {
  const call = `perform push.refuse(400, v_code, 'Message.', v_hint);`;
  expect(() => refusals(call)).toThrow(`schemas/${PATH} has an error whose code is not written out (v_code)`);
  expect(
    refusals(`get stacked diagnostics v_code = pg_exception_detail, v_hint = pg_exception_hint;\n  ${call}`),
  ).toEqual([]);
});

test('alarms and reasons are read with their messages', () => {
  expect(
    readAlarms(
      file(`perform push.raise_alarm('rule_failed', p_rule, format('Rule %s failed.', p_rule), p_now);
        v := v || jsonb_build_object('code', 'tick_missing',
          'message', 'It has not run.');
        fault := 'vault_unreadable';
        message := 'It cannot be read.';`),
    ).map(({ code, message }) => [code, message]),
  ).toEqual([
    ['rule_failed', 'Rule … failed.'],
    ['tick_missing', 'It has not run.'],
    ['vault_unreadable', 'It cannot be read.'],
  ]);
});

test('a comment says for whom it is, and what the parameters mean', () => {
  const comment = readComment('Takes it back. For the database owner.\n\np_id: What.\np_now: When.');
  expect(comment).toEqual({
    text: 'Takes it back.',
    forOwner: true,
    parameters: new Map([
      ['p_id', 'What.'],
      ['p_now', 'When.'],
    ]),
  });
  expect(readComment('Counts. Service role only.')).toMatchObject({ text: 'Counts.', forOwner: false });
});

test('nothing in a text becomes markup, and what it names is code, or a link', () => {
  const link = (name: string) => (name === 'push.cancel' ? 'sql.md#pushcancel' : undefined);
  expect(prose('<b> *all* [x](y) `data` of push.cancel() and push_topics.key at p_now', link)).toBe(
    '&lt;b> \\*all\\* \\[x\\](y) `data` of [`push.cancel()`](sql.md#pushcancel) and `push_topics.key` at `p_now`',
  );
  expect(table(['a', 'empty', 'b'], [['1|2', '', 'x\ny']])).toBe('| a | b |\n| --- | --- |\n| 1\\|2 | x y |');
});
