import { errorResponse, SupapushError } from '../../shared/errors.ts';
import { isSameSecret } from './secret-comparison.ts';

/** The answer to a method that a function with a bell does not know; undefined for `GET` and `POST`. */
export function refusedMethod({ method }: Request): Response | undefined {
  if (method === 'GET' || method === 'POST') return undefined;
  const refused = new SupapushError(
    'method_not_allowed',
    'Ring with POST; GET tells whether the function is ready.',
  );
  return errorResponse(refused, { Allow: 'GET, POST' });
}

/** Rejects with `bell_refused` unless a request carries the bell's secret, compared in constant time. */
export async function requireBell(request: Request, bellSecret: string): Promise<void> {
  if (await isSameSecret(request.headers.get('x-push-bell') ?? '', bellSecret)) return;
  throw new SupapushError(
    'bell_refused',
    'The x-push-bell header must carry the secret that the Vault and the function share. Run: npx supapush connect',
  );
}
