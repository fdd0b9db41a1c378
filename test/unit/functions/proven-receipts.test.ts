import { expect, test } from 'vitest';
import { provenReceipts } from '../../../src/server/functions/proven-receipts.ts';

/** Tokens of which those are ours that begin with `ours`; what was verified is noted. */
function tokens() {
  const verified: string[] = [];
  return {
    verified,
    sign: async () => '',
    async verify(token: string) {
      verified.push(token);
      return token.startsWith('ours') ? token.slice(4) : null;
    },
  };
}

const said = (receipt: string) => ({ receipt, event: 'clicked' });

test('those that are ours are found among those that are not', async () => {
  const known = tokens();
  const found = await provenReceipts(['forged', 'ours1', 'forged', 'ours2'].map(said), known);
  expect(found.map(({ deliveryId }) => deliveryId)).toEqual(['2', '1']);
});

test('a hundred that are not ours cost eight looks, whatever stands between them', async () => {
  const known = tokens();
  expect(
    await provenReceipts(
      Array.from({ length: 100 }, () => said('forged')),
      known,
    ),
  ).toEqual([]);
  expect(known.verified).toHaveLength(8);

  const mixed = tokens();
  await provenReceipts(
    Array.from({ length: 100 }, (_, n) => said(n % 2 ? `ours${n}` : 'forged')),
    mixed,
  );
  expect(mixed.verified.filter((token) => token === 'forged')).toHaveLength(8);
});

test('old ones that were made with keys which are gone keep no newer one back', async () => {
  const known = tokens();
  const old = Array.from({ length: 90 }, () => said('forged'));
  const found = await provenReceipts([...old, ...['1', '2', '3'].map((id) => said(`ours${id}`))], known);
  expect(found).toHaveLength(3);
});

test('what is no receipt costs no look, and takes no place of one', async () => {
  const known = tokens();
  const malformed = Array.from({ length: 50 }, () => ({ receipt: 7 }));
  expect(await provenReceipts([said('ours1'), ...malformed], known)).toHaveLength(1);
  expect(known.verified).toEqual(['ours1']);
});
