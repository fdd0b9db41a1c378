import { hkdfSync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createReceiptTokens } from '../../../src/server/channels/receipt-tokens.ts';
import { MAX_RECEIPT_BYTES } from '../../../src/server/notification/payload.ts';

const URL = 'https://abcdefghijklmnopqrst.supabase.co';
const pair = () => ({ privateKey: randomBytes(32).toString('base64url') });
const [ours, older, theirs] = [pair(), pair(), pair()];
const tokens = await createReceiptTokens([ours, older], URL);

test.each([1, 15, 16, 4711, 2 ** 53 - 1])(
  'the token of %i is the id and its 16 bytes of the derived block',
  async (id) => {
    const info = `supapush receipts ${Math.floor(id / 16)}`;
    const block = Buffer.from(hkdfSync('sha256', Buffer.from(ours.privateKey, 'base64url'), URL, info, 256));
    const start = (id % 16) * 16;
    expect(await tokens.sign(id)).toBe(`${id}.${block.subarray(start, start + 16).toString('base64url')}`);
  },
);

test('of 3,000 neighbours none has the mac of another, and each is verified', async () => {
  const signed = await Promise.all(Array.from({ length: 3000 }, (_, index) => tokens.sign(index + 1)));
  expect(new Set(signed.map((token) => token.split('.')[1])).size).toBe(3000);
  const verified = await Promise.all(signed.map((token) => tokens.verify(token)));
  expect(verified).toEqual(signed.map((token) => token.split('.')[0]));
});

test('what was signed is verified, also with a key that is no longer the newest', async () => {
  expect(await tokens.verify(await tokens.sign(7))).toBe('7');
  const before = await createReceiptTokens([older], URL);
  expect(await tokens.verify(await before.sign(8))).toBe('8');
});

test('the largest id is verified to the last digit, and its token is as long as any gets', async () => {
  const id = '9223372036854775807';
  const token = await tokens.sign(id as unknown as number);
  expect(token).toHaveLength(MAX_RECEIPT_BYTES);
  expect(await tokens.verify(token)).toBe(id);
});

test('tokens of other keys, and of a project with the same keys elsewhere, are refused', async () => {
  for (const foreign of [
    await createReceiptTokens([theirs], URL),
    await createReceiptTokens([ours], 'https://tsrqponmlkjihgfedcba.supabase.co'),
  ])
    expect(await tokens.verify(await foreign.sign(7))).toBeNull();
});

test('a path or slash behind the project URL makes no other key', async () => {
  const same = await createReceiptTokens([ours], `${URL}/`);
  expect(await tokens.verify(await same.sign(7))).toBe('7');
});

test('a token for one delivery is none for another', async () => {
  const [, mac] = (await tokens.sign(7)).split('.');
  for (const id of ['8', '70', '07', '+7', '7.0', ' 7', '7 ', '-7', '0x7', '']) {
    expect(await tokens.verify(`${id}.${mac}`)).toBeNull();
  }
});

test('no change of a single character gets through, and no other length', async () => {
  const token = await tokens.sign(7);
  for (let index = 0; index < token.length; index += 1) {
    const other = token[index] === 'A' ? 'B' : 'A';
    expect(await tokens.verify(token.slice(0, index) + other + token.slice(index + 1))).toBeNull();
    expect(await tokens.verify(token.slice(0, index))).toBeNull();
  }
  for (const longer of [`${token}A`, `${token}=`, `${token}\n`, ` ${token}`, `${token}.${token}`, ''])
    expect(await tokens.verify(longer)).toBeNull();
});

test('the last character has four bits too many: only one spelling of a mac is taken', async () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const token = await tokens.sign(7);
  const taken = [...alphabet].filter((last) => `${token.slice(0, -1)}${last}` === token);
  const verified = [];
  for (const last of alphabet) if (await tokens.verify(token.slice(0, -1) + last)) verified.push(last);
  expect(verified).toEqual(taken);
});

test('a key that is none is refused, without being quoted', async () => {
  const refused = createReceiptTokens([{ privateKey: 'c2hvcnQta2V5' }], URL);
  await expect(refused).rejects.toThrow(/32 bytes/);
  await expect(refused).rejects.not.toThrow(/c2hvcnQ/);
});
