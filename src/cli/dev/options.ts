import { parseArgs } from 'node:util';
import { SupapushError } from '../../shared/errors.ts';

/** What both `supapush dev` and `npm run dev` of a clone take. */
const BOTH = {
  json: { type: 'boolean' },
  reset: { type: 'boolean' },
  'skip-missing': { type: 'boolean' },
  port: { type: 'string' },
  'database-port': { type: 'string' },
  'push-port': { type: 'string' },
} as const;
const IN_AN_APP = { ...BOTH, workdir: { type: 'string' } } as const;
const IN_A_CLONE = {
  ...BOTH,
  project: { type: 'string' },
  'page-port': { type: 'string' },
  'no-page': { type: 'boolean' },
} as const;

export interface DevOptions {
  json: boolean;
  reset: boolean;
  skipMissing: boolean;
  ports: Record<'gateway' | 'database' | 'pushService', number | undefined>;
}

/** Reads what follows `supapush dev`. Throws `usage`, or what `parseArgs` throws. */
export function readDevOptions(args: string[]): DevOptions & { workdir: string | undefined } {
  const { values } = parseArgs({ args, options: IN_AN_APP });
  return { ...readBoth(values), workdir: values.workdir };
}

/** Reads what follows `npm run dev --` in a clone, which has a page besides. */
export function readCloneDevOptions(
  args: string[],
): DevOptions & { project: string | undefined; page: boolean; pagePort: number | undefined } {
  const { values } = parseArgs({ args, options: IN_A_CLONE });
  return {
    ...readBoth(values),
    project: values.project,
    page: values.project === undefined && !values['no-page'],
    pagePort: readPort('page-port', values['page-port']),
  };
}

function readBoth(values: { [Name in keyof typeof BOTH]?: string | boolean | undefined }): DevOptions {
  return {
    json: values.json === true,
    reset: values.reset === true,
    skipMissing: values['skip-missing'] === true,
    ports: {
      gateway: readPort('port', values.port),
      database: readPort('database-port', values['database-port']),
      pushService: readPort('push-port', values['push-port']),
    },
  };
}

function readPort(flag: string, text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(String(text)) || port < 1 || port > 65_535)
    throw new SupapushError('usage', `--${flag} needs a port between 1 and 65535, not "${text}"`);
  return port;
}
