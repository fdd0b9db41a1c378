import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/server/channels/channel.ts';
import { createPace } from '../../../src/server/dispatch/pace.ts';
import { SENT } from './in-memory-queue.ts';
import {
  admits,
  answersAfter,
  type Service,
  Simulation,
  throttled,
  worksOff,
} from './simulated-dispatchers.ts';

const TIMED_OUT: Outcome = {
  outcome: 'retry',
  status: null,
  code: 'timed_out',
  message: '',
  retryAfterSeconds: null,
};

describe('places at a push service', () => {
  test.each([10, 100, 300])('that answers after %d ms become as many as a dispatcher can use', (after) => {
    const { paces } = new Simulation({ service: answersAfter(after), places: { first: 50, most: 500 } }).run(
      3,
    );
    expect(paces[0]?.places).toBe(500);
  });

  test('double each round trip, so that a slow service is served fast within seconds', () => {
    const simulation = new Simulation({ service: answersAfter(300) });
    expect(simulation.paces[0]?.places).toBe(50);
    simulation.run(0.301);
    expect(simulation.paces[0]?.places).toBe(100);
    simulation.run(0.3);
    expect(simulation.paces[0]?.places).toBe(200);
  });

  test.each([500, 2000])(
    'that works off %d a second end where more of them only make a queue',
    (perSecond) => {
      const simulation = new Simulation({ service: worksOff(perSecond, 100) }).run(180);
      // A tenth of a second of its work is under way without a queue.
      const needed = perSecond / 10;
      expect(simulation.paces[0]?.places).toBeGreaterThanOrEqual(needed);
      expect(simulation.paces[0]?.places).toBeLessThanOrEqual(5 * needed);
      expect(simulation.last(120).accepted).toBeGreaterThan(0.98 * perSecond);
    },
  );

  test('of four dispatchers together stay in bounds too', () => {
    const simulation = new Simulation({ service: worksOff(2000, 50), dispatchers: 4 }).run(180);
    const places = simulation.paces.reduce((sum, pace) => sum + pace.places, 0);
    expect(places).toBeLessThanOrEqual(8 * 100);
    expect(simulation.last(120).accepted).toBeGreaterThan(0.98 * 2000);
  });

  test('stay what they are while fewer are used, and no more than allowed', () => {
    const pace = createPace({ first: 50, most: 120 });
    const answers = (from: number) => {
      for (let n = 0; n < 200; n++) pace.ended(`user-${n}`, SENT, from, from + 20);
    };
    answers(0);
    expect(pace.places).toBe(50);
    pace.wanted();
    answers(1000);
    pace.wanted();
    answers(2000);
    expect(pace.places).toBe(120);
  });

  test('grow for no answer that was none: a refused connection is not a quick one', () => {
    const pace = createPace({ first: 50, most: 500 });
    pace.wanted();
    const unreachable: Outcome = { ...TIMED_OUT, code: 'network_error' };
    for (let n = 0; n < 200; n++) pace.ended(`user-${n}`, unreachable, 0, 1);
    expect(pace.places).toBe(50);
  });

  test('survive answers that take 5 s for a while, and are used again afterwards', () => {
    let after = 20;
    const simulation = new Simulation({
      service: () => ({ outcome: SENT, after }),
      places: { first: 50, most: 500 },
    });
    const before = simulation.run(10).last(5).accepted;
    after = 5000;
    simulation.run(60);
    after = 20;
    // What is under way still takes its five seconds.
    expect(simulation.run(10).last(3).accepted).toBeGreaterThan(0.9 * before);
  });
});

describe('a push service that admits so many a second', () => {
  const services: [string, number, number, number, dispatchers?: number][] = [
    // Ten a second of each dispatcher is the least that is tried.
    ['20 of two dispatchers', 20, 1000, 20, 2],
    ['40', 40, 1000, 20],
    ['100, counted by the tenth', 100, 100, 20],
    ['400', 400, 1000, 20],
    ['400, counted by the tenth', 400, 100, 0.5],
    ['400 that answers after 300 ms', 400, 1000, 300],
    ['2,000', 2000, 1000, 20],
    ['2,000, counted by the tenth', 2000, 100, 100],
  ];
  test.each(services)(
    '%s: after a minute most of it is used, and little refused',
    (_, perSecond, window, after, dispatchers = 4) => {
      const simulation = new Simulation({ service: admits(perSecond, window, after), dispatchers }).run(60);
      const { accepted, refused } = simulation.run(120).last(120);
      expect(accepted / perSecond).toBeGreaterThanOrEqual(0.85);
      expect(refused / (accepted + refused)).toBeLessThanOrEqual(0.1);
    },
  );

  test('more than before is found out, and less', () => {
    let perSecond = 400;
    const [less, more] = [admits(400, 1000, 20), admits(1600, 1000, 20)];
    const service: Service = (request) => (perSecond === 400 ? less : more)(request);
    const simulation = new Simulation({ service, dispatchers: 4 }).run(60);
    perSecond = 1600;
    expect(simulation.run(60).last(20).accepted).toBeGreaterThan(0.85 * 1600);
    perSecond = 400;
    const { accepted, refused } = simulation.run(60).last(30);
    expect(accepted).toBeGreaterThan(0.85 * 400);
    expect(refused).toBeLessThan(0.1 * (accepted + refused));
  });

  test('and then everything is sent everything again', () => {
    let isThrottling = true;
    const service = admits(200, 1000, 20);
    const simulation = new Simulation({
      service: (request) => (isThrottling ? service(request) : { outcome: SENT, after: 20 }),
      places: { first: 50, most: 100 },
    }).run(30);
    expect(simulation.paces[0]?.accepted).toBeDefined();
    isThrottling = false;
    // A hundred places, of 20 ms each.
    expect(simulation.run(40).last(5).accepted).toBeGreaterThan(4500);
    expect(simulation.paces[0]?.accepted).toBeUndefined();
  });
});

/** Refuses these users whatever they are sent, and takes everything else. */
function refuse(refused: number, of: number, outcome = throttled()): ReturnType<typeof createPace> {
  const pace = createPace({ first: 50, most: 500 });
  for (let n = 0; n < of; n++) pace.ended(`user-${n}`, n < refused ? outcome : SENT, 0, 20);
  return pace;
}

describe('a rate', () => {
  test.each([429, 503, 406] as const)(
    'is lowered by %d to more than five users and a twentieth',
    (status) => {
      expect(refuse(5, 6, throttled(status)).accepted).toBeUndefined();
      expect(refuse(6, 6, throttled(status)).accepted).toBeDefined();
      expect(refuse(6, 100, throttled(status)).accepted).toBeDefined();
    },
  );

  test('is not lowered by fewer than a twentieth of the users', () => {
    const pace = createPace({ first: 50, most: 500 });
    for (let n = 0; n < 190; n++) pace.ended(`user-${n}`, n % 24 === 23 ? throttled() : SENT, 0, 20);
    expect(pace.accepted).toBeUndefined();
  });

  test('is not lowered by answers that say nothing of too many requests', () => {
    const failed: Outcome = { ...TIMED_OUT, status: 500, code: 'push_service_error' };
    for (const outcome of [failed, TIMED_OUT]) expect(refuse(50, 50, outcome).accepted).toBeUndefined();
  });

  test('is lowered once for all that was under way, and places are halved', () => {
    const pace = createPace({ first: 50, most: 500 });
    for (let n = 0; n < 100; n++) pace.ended(`early-${n}`, SENT, 0, 10 * n);
    for (let n = 0; n < 6; n++) pace.ended(`user-${n}`, throttled(), 990, 1000);
    // A hundred in a second.
    expect(pace.accepted).toBeCloseTo(100, 0);
    expect(pace.places).toBe(25);
    for (let n = 0; n < 40; n++) pace.ended(`more-${n}`, throttled(), 999, 1010);
    expect([pace.accepted, pace.places]).toEqual([expect.closeTo(100, 0), 25]);
    for (let n = 0; n < 6; n++) pace.ended(`late-${n}`, throttled(), 1001, 1020);
    expect(pace.accepted).toBeLessThan(100);
    expect(pace.places).toBe(13);
  });

  test('of seven tenths of what was accepted is kept, and rises to nearly that within seconds', () => {
    const pace = createPace({ first: 50, most: 500 });
    pace.recall(100, 0);
    const begun = (seconds: number, from: number) => {
      let number = 0;
      for (let now = from; now < from + seconds * 1000; now += Math.max(1, pace.wait(now)))
        if (pace.wait(now) === 0) {
          pace.began(now);
          number += 1;
        }
      return number / seconds;
    };
    expect(begun(1, 0)).toBeGreaterThan(65);
    expect(begun(1, 1000)).toBeLessThan(90);
    begun(4, 2000);
    expect(begun(1, 6000)).toBeGreaterThan(90);
    expect(begun(1, 7000)).toBeLessThan(105);
  });

  test('is ten a second at least: six accounts that refuse in a quiet hour hold up no other', () => {
    const pace = createPace({ first: 50, most: 500 });
    let now = 0;
    // A message a minute is sent, and then what six accounts have; again and again.
    for (let minute = 0; minute < 10; minute++) {
      now = minute * 60_000;
      pace.ended(`quiet-${minute}`, SENT, now, now + 20);
      for (let n = 0; n < 6; n++) pace.ended(`hostile-${n}`, throttled(), now + 30, now + 50);
      expect(pace.accepted).toBe(10);
      // Another's message begins within a seventh of a second.
      expect(pace.wait(now + 50)).toBeLessThanOrEqual(143);
    }
    const fresh = createPace({ first: 50, most: 500 });
    fresh.recall(0.1, now);
    expect(fresh.wait(now)).toBeLessThanOrEqual(143);
  });

  test('that another dispatcher found is where one begins, unless it knows better', () => {
    const fresh = createPace({ first: 50, most: 500 });
    fresh.recall(20, 1000);
    expect(fresh.wait(1000)).toBe(72);
    expect(fresh.ahead(1000)).toBe(14);
    const known = createPace({ first: 50, most: 500 });
    known.ended('user', SENT, 0, 20);
    known.recall(20, 1000);
    expect(known.wait(1000)).toBe(0);
  });
});

describe('one user, and as many as five, whose endpoints', () => {
  // How many of the messages are theirs: what their share of a lane, and the backoff of their devices, leave.
  const hostile: [string, number, Service][] = [
    ['take ten seconds', 1000, () => ({ outcome: TIMED_OUT, after: 10_000 })],
    ['answer 429', 50, () => ({ outcome: throttled(429), after: 5 })],
    ['answer 503', 50, () => ({ outcome: throttled(503), after: 5 })],
    ['answer at once', 50, () => ({ outcome: SENT, after: 0 })],
  ];
  test.each(hostile)('%s change nothing about the pace of others', (_, oneIn, service) => {
    const paceOf = (users: number) => {
      let turn = 0;
      const simulation = new Simulation({
        places: { first: 50, most: 400 },
        userOf: () => {
          turn += 1;
          return users > 0 && turn % oneIn === 0
            ? `hostile-${(turn / oneIn) % users}`
            : `user-${turn % 1000}`;
        },
        service: (request) =>
          request.userId.startsWith('hostile') ? service(request) : { outcome: SENT, after: 100 },
      });
      return [1, 2, 10, 60].map((seconds) => {
        simulation.run(seconds - simulation.now / 1000);
        return [simulation.paces[0]?.places, simulation.paces[0]?.accepted];
      });
    };
    const alone = paceOf(0);
    expect(alone.at(-1)).toEqual([400, undefined]);
    for (const users of [1, 5]) expect(paceOf(users)).toEqual(alone);
  });

  test('are all there are decide nothing either', () => {
    const simulation = new Simulation({
      service: ({ now }) => (now < 1000 ? { outcome: SENT, after: 1 } : { outcome: throttled(), after: 400 }),
      userOf: () => 'the only one',
    }).run(5);
    expect([simulation.paces[0]?.places, simulation.paces[0]?.accepted]).toEqual([50, undefined]);
  });
});
