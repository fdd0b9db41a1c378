import { readQuickStart } from '../../support/quick-start.ts';
import { COMPILER, INDEX } from '../../support/vite-app.ts';
import type { AppParts } from './app.ts';

/** An app of one kind, of files that the pages have, and how a visitor turns notifications on in it. */
export interface Recipe extends AppParts {
  /** Whether it is built into `dist`; otherwise the folder itself is served. */
  built: boolean;
  /** The buttons that turn notifications on and send a test, in their order. */
  buttons: string[];
  /** What its pages are under, for a project at this address. */
  policy?: (projectUrl: string) => string;
}

const MAIN_TSX = `import { createRoot } from 'react-dom/client';
import App from './App.tsx';

createRoot(document.getElementById('root')!).render(<App />);
`;

/** Without HTML out of text, which Trusted Types forbid. */
const STRICT_MAIN = `import { push } from './push';

const button = document.createElement('button');
const output = document.createElement('output');
button.textContent = 'Notify me';
document.body.append(button, output);
push.onStatusChange((status) => { output.textContent = status; });
button.onclick = async () => {
  try {
    await push.subscribe();
    await push.sendTest();
  } catch (error) {
    output.textContent = String(error);
  }
};
`;

/** As much of vite-plugin-pwa as the recipe asks for, of our own: a build that writes the worker, and a page that registers it. */
const PWA_LOOK_ALIKE = `
export function VitePWA({ workbox: { importScripts = [] } = {} }) {
  return [{
    name: 'look-alike',
    apply: 'build',
    transformIndexHtml: () => [{ tag: 'script', attrs: { src: '/register-sw.js' }, injectTo: 'head' }],
    generateBundle(_, bundle) {
      const names = JSON.stringify(Object.keys(bundle).map((name) => '/' + name));
      const source = importScripts.map((url) => 'importScripts(' + JSON.stringify(url) + ');').join('') +
        "addEventListener('install', (event) => { skipWaiting(); event.waitUntil(caches.open('precache').then((cache) => cache.addAll(" + names + '))); });' +
        "addEventListener('activate', (event) => event.waitUntil(clients.claim()));" +
        "addEventListener('fetch', (event) => event.respondWith(caches.match(event.request).then((found) => found ?? fetch(event.request))));";
      this.emitFile({ type: 'asset', fileName: 'sw.js', source });
      this.emitFile({ type: 'asset', fileName: 'register-sw.js', source: "navigator.serviceWorker.register('/sw.js');" });
    },
  }];
}
`;

const BUILT = {
  scripts: { build: 'tsc && vite build --logLevel warn' },
  dependencies: { '@supabase/supabase-js': '^2.0.0' },
  devDependencies: { typescript: '^7.0.0', vite: '^8.0.0' },
};

/** What is in every one. */
export const PROJECT = {
  '.gitignore': 'node_modules\ndist\n*.local\n',
  'supabase/config.toml': 'project_id = "my-app"\n',
  'supabase/migrations/20280101000000_notes.sql': 'create table public.notes (id bigint primary key);\n',
};

/** The recipes for a project with these values. */
export async function readRecipes(values: Readonly<Record<'url' | 'key', string>>): Promise<Recipe[]> {
  const frontend = await readQuickStart('docs/start/frontend.md', '## In five minutes');
  const pwa = await readQuickStart('docs/start/frameworks.md', '## vite-plugin-pwa');
  const plain = await readQuickStart('docs/start/frameworks.md', '## Without a build');
  const page = ({ files }: typeof frontend, path: string) => {
    const text = files.get(path);
    if (text === undefined) throw new Error(`The page has no ${path}.`);
    return { [path]: text.replace('http://127.0.0.1:…', values.url).replace('sb_publishable_…', values.key) };
  };
  const vite = {
    ...PROJECT,
    'tsconfig.json': COMPILER,
    ...page(frontend, '.env.local'),
    ...page(frontend, 'src/push.ts'),
  };
  const vanilla = { ...vite, 'index.html': INDEX('main.ts'), ...page(frontend, 'src/main.ts') };
  return [
    { name: 'vite', files: vanilla, manifest: BUILT, built: true, buttons: ['Notify me'] },
    {
      name: 'vite-react',
      files: {
        ...vite,
        'index.html': INDEX('main.tsx'),
        'src/main.tsx': MAIN_TSX,
        ...page(frontend, 'src/App.tsx'),
      },
      manifest: {
        ...BUILT,
        dependencies: { ...BUILT.dependencies, react: '^19.0.0', 'react-dom': '^19.0.0' },
      },
      built: true,
      buttons: ['Turn on', 'Send a test'],
    },
    {
      name: 'plain-html',
      files: { ...PROJECT, ...page(plain, 'index.html') },
      manifest: { dependencies: { '@supabase/supabase-js': '^2.0.0' } },
      built: false,
      buttons: ['Notify me'],
    },
    {
      name: 'vite-plugin-pwa',
      files: {
        ...vanilla,
        ...page(pwa, 'vite.config.ts'),
        'node_modules/vite-plugin-pwa/package.json': '{ "type": "module", "exports": "./index.js" }\n',
        'node_modules/vite-plugin-pwa/index.js': PWA_LOOK_ALIKE,
      },
      manifest: { ...BUILT, devDependencies: { ...BUILT.devDependencies, 'vite-plugin-pwa': '^1.0.0' } },
      built: true,
      buttons: ['Notify me'],
    },
    {
      name: 'strict-csp',
      files: { ...vanilla, 'src/main.ts': STRICT_MAIN },
      manifest: BUILT,
      built: true,
      buttons: ['Notify me'],
      policy: (url) =>
        `default-src 'self'; connect-src 'self' ${url}; require-trusted-types-for 'script'; trusted-types supapush`,
    },
  ];
}
