/** The package has no types of its own; this is what the tests use of it. */
declare module 'http_ece' {
  interface DecryptParameters {
    version: 'aes128gcm';
    privateKey: import('node:crypto').ECDH;
    /** base64url */
    authSecret: string;
  }
  const ece: { decrypt(body: Buffer, parameters: DecryptParameters): Buffer };
  export default ece;
}
