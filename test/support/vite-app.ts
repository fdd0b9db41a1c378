/** The page of an app of Vite's. */
export const INDEX = (script: string): string => `<!doctype html>
<html lang="en">
  <head><meta charset="UTF-8" /><title>my-app</title></head>
  <body><div id="root"></div><script type="module" src="/src/${script}"></script></body>
</html>
`;

/** A tsconfig.json that is stricter than the templates', as that of many apps is. */
export const COMPILER = JSON.stringify({
  compilerOptions: {
    target: 'es2023',
    lib: ['ES2023', 'DOM', 'DOM.Iterable'],
    module: 'esnext',
    moduleResolution: 'bundler',
    types: ['vite/client'],
    jsx: 'react-jsx',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    // Not those of supabase-js, which name what only Node has.
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    noUnusedLocals: true,
    erasableSyntaxOnly: true,
    noEmit: true,
  },
  include: ['src'],
});
