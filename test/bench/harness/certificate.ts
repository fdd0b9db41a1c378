import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A server certificate for 127.0.0.1 and localhost, and the authority to trust for it; all PEM, good for a day. */
export interface TestCertificate {
  authority: string;
  certificate: string;
  privateKey: string;
}

/** Makes a new authority and a certificate of it: X.509 v3 with P-256 keys (RFC 5280). */
export function createCertificate(): TestCertificate {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = name('Supapush bench authority');
  const isAuthority = extension('551d13', sequence(boolean(true)));
  const addresses = extension(
    '551d11',
    sequence(tagged(0x82, Buffer.from('localhost')), tagged(0x87, Buffer.from([127, 0, 0, 1]))),
  );
  const root = certificate({
    issuer,
    subject: issuer,
    key: authority.publicKey,
    signer: authority.privateKey,
    extensions: [isAuthority],
  });
  const leaf = certificate({
    issuer,
    subject: name('localhost'),
    key: server.publicKey,
    signer: authority.privateKey,
    extensions: [addresses],
  });
  return {
    authority: root,
    certificate: leaf,
    privateKey: server.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

interface CertificateParts {
  issuer: Buffer;
  subject: Buffer;
  key: KeyObject;
  signer: KeyObject;
  extensions: Buffer[];
}

function certificate({ issuer, subject, key, signer, extensions }: CertificateParts): string {
  const algorithm = sequence(objectId('2a8648ce3d040302'));
  const hour = 3_600_000;
  const content = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    issuer,
    sequence(time(Date.now() - hour), time(Date.now() + 24 * hour)),
    subject,
    key.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions, keyIdentifier(key))),
  );
  const signature = sign('sha256', content, signer);
  const der = sequence(content, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function keyIdentifier(key: KeyObject): Buffer {
  const digest = createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
  return extension('551d0e', tagged(0x04, digest));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), tagged(0x04, value));
}

function name(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(objectId('550403'), tagged(0x0c, Buffer.from(commonName)))));
}

function time(milliseconds: number): Buffer {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, '');
  return tagged(0x17, Buffer.from(text.slice(2)));
}

const sequence = (...parts: Buffer[]) => tagged(0x30, Buffer.concat(parts));
const objectId = (hex: string) => tagged(0x06, Buffer.from(hex, 'hex'));
const integer = (bytes: Buffer) => tagged(0x02, bytes);
const boolean = (value: boolean) => tagged(0x01, Buffer.from([value ? 0xff : 0]));

/** One value of DER (X.690): tag, length, content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
