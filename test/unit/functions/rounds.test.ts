import { expect, test } from 'vitest';
import { createRounds } from '../../../src/server/functions/rounds.ts';

/** Rounds over a clock that the test sets: a question is answered with itself, once the test lets its round be. */
function rounds(limits: { maxPerRound?: number; maxWaiting?: number } = {}) {
  const asked: string[][] = [];
  const pauses: number[] = [];
  let answer = Promise.withResolvers<void>();
  const state = { now: 0 };
  const ask = createRounds<string, string>({
    ask: async (questions) => {
      asked.push(questions);
      await answer.promise;
      return questions.map((question) => question.toUpperCase());
    },
    everyMs: 50,
    maxPerRound: 3,
    maxWaiting: 5,
    ...limits,
    now: () => state.now,
    wait: async (milliseconds) => {
      pauses.push(milliseconds);
      state.now += milliseconds;
    },
  });
  const next = (error?: Error) => {
    const { resolve, reject } = answer;
    answer = Promise.withResolvers<void>();
    if (error) reject(error);
    else resolve();
  };
  return { ask, asked, pauses, state, next };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('one that is asked alone is asked at once', async () => {
  const { ask, asked, pauses, next } = rounds();
  const answer = ask('a');
  expect(asked).toEqual([['a']]);
  next();
  expect(await answer).toBe('A');
  expect(pauses).toEqual([]);
});

test('what comes meanwhile is asked together, not sooner than the time between two rounds', async () => {
  const { ask, asked, pauses, state, next } = rounds();
  const first = ask('a');
  const others = Promise.all(['b', 'c', 'd', 'e'].map(ask));
  state.now = 20;
  next();
  await first;
  await settled();
  expect([asked, pauses]).toEqual([[['a'], ['b', 'c', 'd']], [30]]);
  // One that took longer is followed at once.
  state.now += 60;
  next();
  await settled();
  next();
  expect(await others).toEqual(['B', 'C', 'D', 'E']);
  expect([asked.slice(2), pauses]).toEqual([[['e']], [30]]);
});

test('a round that fails fails for those in it alone', async () => {
  const { ask, next } = rounds({ maxPerRound: 1 });
  const answers = ['a', 'b'].map(ask);
  const failed = expect(answers[0]).rejects.toThrow('away');
  next(new Error('away'));
  await failed;
  await settled();
  next();
  expect(await answers[1]).toBe('B');
});

test('more than may wait are refused, until there is room again', async () => {
  const { ask, next } = rounds({ maxPerRound: 10 });
  const taken = ['a', 'b', 'c', 'd', 'e', 'f'].map(ask);
  await expect(ask('g')).rejects.toMatchObject({ code: 'overloaded', status: 503 });
  next();
  await taken[0];
  await settled();
  const late = ask('h');
  next();
  expect(await Promise.all(taken)).toEqual(['A', 'B', 'C', 'D', 'E', 'F']);
  await settled();
  next();
  expect(await late).toBe('H');
});
