import { SupapushError } from '../../shared/errors.ts';

/**
 * Gathers the questions of many requests and asks them as one: one round at a time, and none begins sooner than `everyMs`
 * after the one before. So the database is asked at most that often, however many requests there are, and requests wait for
 * the next round instead of each other. A round that fails fails for all in it: one question must not be able to fail `ask`.
 *
 * @param options.ask answers the questions of a round, in their order
 * @param options.maxPerRound the others are asked in the next one
 * @param options.maxWaiting beyond, a question is refused with `overloaded`: the database does not keep up
 * @param options.now milliseconds of a monotonic clock
 */
export function createRounds<Question, Answer>(options: {
  ask: (questions: Question[]) => Promise<Answer[]>;
  everyMs: number;
  maxPerRound: number;
  maxWaiting: number;
  now?: () => number;
  wait?: (milliseconds: number) => Promise<unknown>;
}): (question: Question) => Promise<Answer> {
  const { ask, everyMs, maxPerRound, maxWaiting, now = () => performance.now() } = options;
  const { wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)) } = options;
  const waiting: { question: Question; answered: PromiseWithResolvers<Answer> }[] = [];
  let began = Number.NEGATIVE_INFINITY;
  let running = false;

  const run = async (): Promise<void> => {
    running = true;
    while (waiting.length > 0) {
      const early = began + everyMs - now();
      if (early > 0) await wait(early);
      began = now();
      const round = waiting.splice(0, maxPerRound);
      try {
        const answers = await ask(round.map(({ question }) => question));
        for (const [index, { answered }] of round.entries()) answered.resolve(answers[index] as Answer);
      } catch (error) {
        for (const { answered } of round) answered.reject(error);
      }
    }
    running = false;
  };

  return (question) => {
    if (waiting.length >= maxWaiting) return Promise.reject(new SupapushError('overloaded'));
    const answered = Promise.withResolvers<Answer>();
    waiting.push({ question, answered });
    if (!running) void run();
    return answered.promise;
  };
}
