// What Vite makes of an import of a stylesheet.
declare module '*.css';

/** What `npm run dev` tells the page of the stack. */
interface ImportMeta {
  readonly env: { readonly SUPABASE_URL: string; readonly SUPABASE_PUBLISHABLE_KEY: string };
}
