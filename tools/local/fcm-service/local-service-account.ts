import { generateKeyPairSync } from 'node:crypto';

/** What the JSON file of a service account holds, as Firebase gives it. */
export type ServiceAccountFile = {
  readonly type: 'service_account';
  readonly project_id: string;
  readonly private_key_id: string;
  readonly private_key: string;
  readonly client_email: string;
  readonly token_uri: string;
};

/** An RSA key of 2048 bits as PKCS#8 in PEM, as Google makes them. */
export function createServiceAccountKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The account by which a project signs in to the FCM service at `origin`. */
export function localServiceAccount(origin: string, privateKey: string): ServiceAccountFile {
  const project = 'local-project';
  return {
    type: 'service_account',
    project_id: project,
    private_key_id: 'local',
    private_key: privateKey,
    client_email: `push@${project}.iam.gserviceaccount.com`,
    token_uri: `${origin}/token`,
  };
}
