/** The keys of a project: those that @supabase/lite knows, and the tokens that older apps have in their place. */
export interface ProjectKeys {
  publishableKey: string;
  secretKey: string;
  anonKey: string;
  serviceRoleKey: string;
}

/** A request in which each older key is the newer one of the same role. */
export function withNewerKeys(request: Request, keys: ProjectKeys): Request {
  const newer = new Map([
    [keys.anonKey, keys.publishableKey],
    [keys.serviceRoleKey, keys.secretKey],
  ]);
  const given = request.headers.get('apikey') ?? '';
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  if (!newer.has(given) && !newer.has(bearer)) return request;
  const headers = new Headers(request.headers);
  headers.set('apikey', newer.get(given) ?? given);
  const token = newer.get(bearer);
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  return new Request(request, { headers });
}
