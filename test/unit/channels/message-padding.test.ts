import { expect, test } from 'vitest';
import { paddingFor } from '../../../src/server/channels/webpush/message-padding.ts';

const lengthsFor = (step: number, from = 0, to = 3993) =>
  new Set(Array.from({ length: to - from + 1 }, (_, index) => from + index + paddingFor(from + index, step)));

test('a step of 0 pads nothing', () => {
  expect([0, 1, 3052, 3993].map((length) => paddingFor(length, 0))).toEqual([0, 0, 0, 0]);
});

test('only multiples of the step are seen, and the two limits', () => {
  expect(lengthsFor(1024)).toEqual(new Set([1024, 2048, 3052, 3072, 3993]));
  expect(lengthsFor(3993)).toEqual(new Set([3052, 3993]));
  expect(lengthsFor(1000)).toEqual(new Set([1000, 2000, 3000, 3052, 3993]));
});

test.each([1, 2, 100, 512, 3052, 3053, 3993])(
  'a step of %i takes nothing away, and no message out of reach of the devices that had it',
  (step) => {
    for (let length = 0; length <= 3993; length++) {
      const padding = paddingFor(length, step);
      expect(padding).toBeGreaterThanOrEqual(0);
      expect(padding).toBeLessThanOrEqual(step);
      expect(length + padding).toBeLessThanOrEqual(length <= 3052 ? 3052 : 3993);
    }
  },
);
