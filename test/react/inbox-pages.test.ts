import { expect, test } from 'vitest';
import type { InboxItem } from '../../src/device/client/index.ts';
import { appendPage, markItems, renewPages } from '../../src/device/react/inbox/inbox-pages.ts';
import { safeLink } from '../../src/device/react/inbox/safe-link.ts';

const items = (...ids: string[]): InboxItem[] => ids.map((id) => ({ id, readAt: null }) as InboxItem);
const idsOf = (pages: { items: readonly InboxItem[] } | null): string =>
  pages?.items.map(({ id }) => id).join('') ?? '';

test('a full page has more behind it, a short one has not', () => {
  expect(renewPages(null, items('c', 'b'), 2)).toMatchObject({ hasMore: true });
  expect(renewPages(null, items('c'), 2)).toMatchObject({ hasMore: false });
  expect(appendPage({ items: items('d', 'c'), hasMore: true }, items('b'), 2)).toMatchObject({
    hasMore: false,
  });
});

test('a new page keeps what is shown behind its last item', () => {
  const shown = { items: items('d', 'c', 'b', 'a'), hasMore: false };
  expect(renewPages(shown, items('e', 'd', 'c'), 3)).toEqual({
    items: items('e', 'd', 'c', 'b', 'a'),
    hasMore: false,
  });
});

test('where nothing joins, what was shown goes rather than leave a gap', () => {
  const shown = { items: items('b', 'a'), hasMore: false };
  expect(renewPages(shown, items('z', 'y'), 2)).toEqual({ items: items('z', 'y'), hasMore: true });
});

test('what is gone from a short page is not shown any longer', () => {
  const shown = { items: items('c', 'b', 'a'), hasMore: false };
  expect(idsOf(renewPages(shown, items('c', 'a'), 3))).toBe('ca');
});

test('nothing is appended twice', () => {
  expect(idsOf(appendPage({ items: items('c', 'b'), hasMore: true }, items('b', 'a'), 2))).toBe('cba');
});

test('marking counts only what it changes', () => {
  const shown = { items: items('b', 'a'), hasMore: false };
  const once = markItems(shown, ['a'], 'now');
  expect(once).toMatchObject({ change: -1, pages: { items: [{ readAt: null }, { readAt: 'now' }] } });
  expect(markItems(once.pages, ['a'], 'later')).toMatchObject({ change: 0 });
  expect(markItems(once.pages, ['a', 'b'], null)).toMatchObject({ change: 1 });
  expect(markItems(null, ['a'], 'now')).toEqual({ pages: null, change: 0 });
});

test.for([
  ['/deals/7?a=b#c', true],
  ['https://example.com/a', true],
  ['http://localhost:5173/a', true],
  ['javascript:alert(1)', false],
  ['data:text/html,x', false],
  ['//elsewhere.example', false],
  ['/\\elsewhere.example', false],
  ['\t/a', false],
  ['deals/7', false],
  ['', false],
] as const)('a link to %j: %s', ([url, leads]) => {
  expect(safeLink(url)).toBe(leads ? url : null);
});
