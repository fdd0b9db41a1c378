import GithubSlugger from 'github-slugger';
import { code } from './markdown.ts';
import type { PublicPart } from './public-part.ts';

/** Where the reference tells of a thing, by its name with or without `public.`; undefined where it does not. */
export type Links = (name: string) => string | undefined;

/** The heading of a function, a table or a view: those of schema public go by their bare names. */
export function headingOf(name: string): string {
  return name.replace(/^public\./, '');
}

export function linkTo(name: string, links: Links): string {
  return `[${code(headingOf(name))}](${links(name)})`;
}

/** Links as a page of the reference writes them. */
export function linksFrom(file: string, { functions, rpcs, relations }: PublicPart): Links {
  const targets = new Map<string, string>();
  const add = (page: string, things: { name: string }[], suffix: string) => {
    for (const { name } of things) {
      const anchor = `#${new GithubSlugger().slug(headingOf(name) + suffix)}`;
      const target = page === file ? anchor : page + anchor;
      targets.set(name, target);
      targets.set(headingOf(name), target);
    }
  };
  add('tables.md', relations, '');
  add('sql.md', functions, '()');
  add('rpc.md', rpcs, '()');
  if (targets.has('push.settings')) targets.set('push.settings', 'settings.md');
  return (name) => targets.get(name);
}
