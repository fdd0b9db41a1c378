import { glob, readFile, stat } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import GithubSlugger from 'github-slugger';
import { lexer, type Token, type Tokens, walkTokens } from 'marked';

const PAGES = ['*.md', '{docs,examples,src,supabase,test,tools}/**/*.md'];

/** Every relative link and image of the Markdown pages leads to a file that exists, and its anchor to a heading there. */
export async function checkLinks(project: string): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob(PAGES, { cwd: project })) {
    if (!file.split('/').includes('node_modules')) files.push(file);
  }
  const pages = new Map<string, Promise<Page>>();
  const pageOf = (file: string) => {
    const known = pages.get(file) ?? readFile(join(project, file), 'utf8').then(readPage);
    pages.set(file, known);
    return known;
  };

  const problems: string[] = [];
  for (const file of files.sort()) {
    for (const link of (await pageOf(file)).links) {
      const [path = '', anchor] = link.split('#').map(decodeURIComponent);
      const target = path === '' ? file : normalize(join(path.startsWith('/') ? '' : dirname(file), path));
      const found = target.startsWith('..')
        ? undefined
        : await stat(join(project, target)).catch(() => undefined);
      if (found === undefined) problems.push(`${file} links to ${link}: there is no ${target}`);
      else if (anchor && target.endsWith('.md') && !(await pageOf(target)).anchors.has(anchor))
        problems.push(`${file} links to ${link}: ${target} has no heading #${anchor}`);
    }
  }
  return problems;
}

interface Page {
  /** Relative ones. */
  links: string[];
  /** What GitHub calls its headings in a URL. */
  anchors: Set<string>;
}

function readPage(text: string): Page {
  const page: Page = { links: [], anchors: new Set() };
  const slugger = new GithubSlugger();
  const add = (target: string) => {
    // Other hosts are not asked: they may be down, and the gate runs offline.
    if (!/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(target)) page.links.push(target);
  };
  walkTokens(lexer(text), (token) => {
    if (token.type === 'heading') page.anchors.add(slugger.slug(plainText((token as Tokens.Heading).tokens)));
    if (token.type === 'link' || token.type === 'image') add((token as Tokens.Link).href);
    if (token.type !== 'html') return;
    for (const [, name, target = ''] of token.raw.matchAll(/\s(src|srcset|href|id|name)="([^"]*)"/g)) {
      if (name === 'id' || name === 'name') page.anchors.add(target);
      else
        for (const part of name === 'srcset' ? target.split(',') : [target])
          add(part.trim().split(' ')[0] ?? '');
    }
  });
  return page;
}

/** What a heading says without its markup. */
function plainText(tokens: Token[]): string {
  return tokens
    .map((token) => {
      if (token.type === 'html') return '';
      if ('tokens' in token && token.tokens) return plainText(token.tokens);
      return 'text' in token ? token.text : '';
    })
    .join('');
}
