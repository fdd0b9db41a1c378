import { encodeBase64Url } from '../../shared/base64url.ts';

const SIGNATURES = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
};

/**
 * A JSON Web Token in its compact form (RFC 7515, 7519), signed with ES256 or RS256 (RFC 7518).
 *
 * @param header what it has besides `typ` and `alg`
 */
export async function signToken(
  alg: keyof typeof SIGNATURES,
  key: CryptoKey,
  claims: object,
  header: object = {},
): Promise<string> {
  const text = new TextEncoder();
  const encode = (value: object) => encodeBase64Url(text.encode(JSON.stringify(value)));
  const unsigned = `${encode({ typ: 'JWT', alg, ...header })}.${encode(claims)}`;
  const signature = await crypto.subtle.sign(SIGNATURES[alg], key, text.encode(unsigned));
  return `${unsigned}.${encodeBase64Url(new Uint8Array(signature))}`;
}
