import type { DenoProcessOptions } from './deno-process.ts';

type Environment = Readonly<Record<string, string | undefined>>;

// What a Deno process needs of its surroundings; nothing else of the parent's environment is handed on.
const PASSED_ON = ['PATH', 'HOME', 'TMPDIR', 'DENO_DIR', 'SystemRoot', 'LOCALAPPDATA'];

/** What only downloads need. Tokens for private modules are not among it: a function's code could read them. */
const FOR_DOWNLOADS = [
  'HTTP_PROXY',
  'http_proxy',
  'HTTPS_PROXY',
  'https_proxy',
  'NPM_CONFIG_REGISTRY',
  'DENO_CERT',
];

/** Deno's `fetch` uses the proxy of downloads too; what a function says to this stack, with its keys, stays on this machine. */
const WITHOUT_PROXY = ['127.0.0.1', 'localhost', '::1'];

/** The environment of a function's process that is to listen on a port. */
export function environmentFor(
  { imports, environment }: Pick<DenoProcessOptions, 'imports' | 'environment'>,
  port: number,
  parent: Environment,
): Record<string, string> {
  const anywhere = imports === 'anywhere';
  const passedOn = [...PASSED_ON, ...(anywhere ? FOR_DOWNLOADS : [])].flatMap((name) => {
    const value = parent[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passedOn),
    // The packages of an app are not those of its functions.
    ...(anywhere && { DENO_NO_PACKAGE_JSON: '1' }),
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
    ...environment,
    ...(anywhere && { NO_PROXY: withoutProxy(parent, environment) }),
    // `Deno.serve(handler)` without options listens where this says.
    DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`,
  };
}

function withoutProxy(...environments: Environment[]): string {
  const given = environments.flatMap(({ NO_PROXY = '', no_proxy: lowerCase = '' }) => [NO_PROXY, lowerCase]);
  const hosts = given.flatMap((list) => list.split(',')).map((host) => host.trim());
  return [...new Set([...WITHOUT_PROXY, ...hosts])].filter((host) => host !== '').join(',');
}
