import { expect, test } from 'vitest';
import { placePanel } from '../../src/device/react/parts/panel-place.ts';

const VIEW = { width: 1280, height: 800 };
const button = (left: number, top: number) => ({ left, right: left + 44, top, bottom: top + 44 });

test.for([
  ['their right ends are aligned', button(1200, 10), false, 1244 - 384],
  ['to the other side where that is outside', button(20, 10), false, 20],
  ['from right to left, their left ends are', button(20, 10), true, 20],
  ['from right to left, to the other side', button(1200, 10), true, 1244 - 384],
  ['inwards where neither fits', button(-30, 10), false, 8],
] as const)('%s', ([, at, rtl, left]) => {
  expect(placePanel(at, 384, VIEW, rtl).left).toBe(left);
});

test.for([
  ['below', button(0, 10), { top: 62, bottom: null, room: 730 }],
  ['above, where there is more room', button(0, 700), { top: null, bottom: 108, room: 684 }],
  [
    'below, where neither has enough and below has more',
    button(0, 60),
    { top: 112, bottom: null, room: 680 },
  ],
  [
    'inside, though the button was scrolled upwards out of the window',
    button(0, -300),
    { top: 8, bottom: null, room: 784 },
  ],
  [
    'inside, though the button was scrolled downwards out of the window',
    button(0, 2000),
    { top: null, bottom: 8, room: 784 },
  ],
] as const)('%s', ([, at, place]) => {
  expect(placePanel(at, 384, VIEW, false)).toMatchObject(place);
});

test('a panel wider than the window begins at its edge', () => {
  expect(placePanel(button(10, 10), 384, { width: 300, height: 500 }, false).left).toBe(8);
});
