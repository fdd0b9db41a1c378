import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { ERRORS } from '../../../src/shared/errors.ts';
import { document, documented } from './documented-answer.ts';

test('the document is valid OpenAPI 3.1, and one with a fault in it is not', async () => {
  const validator = new Validator();
  expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  const faulty = { ...structuredClone(document), paths: { '/push-health': { get: { responses: 'none' } } } };
  expect((await validator.validate(faulty)).valid).toBe(false);
});

test('every documented error exists, with its status', () => {
  const errors = documented()
    .map((answer) => answer.split(' '))
    .filter(([, , status]) => Number(status) >= 400)
    .filter(([, , , name = '']) => !(name in document.components.schemas));
  expect(errors.length).toBeGreaterThan(30);
  for (const [, , status, code = ''] of errors)
    expect(ERRORS[code as keyof typeof ERRORS]?.status, code).toBe(Number(status));
});

test('what devices send is documented as it is read: the receipt as well', () => {
  const schemas = document.components.schemas as Record<string, z.core.JSONSchema.JSONSchema>;
  const receipt = z.fromJSONSchema(schemas.receipt as z.core.JSONSchema.JSONSchema);
  expect(receipt.safeParse({ receipt: 'token', event: 'displayed' }).success).toBe(true);
  expect(receipt.safeParse({ receipt: 'token', event: 'seen' }).success).toBe(false);
  expect(JSON.stringify(schemas.deviceMessage)).toContain('"items":{"$ref":"#/components/schemas/receipt"}');
});
