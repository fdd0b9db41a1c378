type Random = (limit: number) => number;

const NAMES = ['a', 'b', 'c', 'list', 'deal', 'größe', 'x_1', 'no-de', '漢'];
const TEXTS = [
  'word',
  ' ',
  '\n',
  '\r\n',
  '\t',
  '  ',
  '{ ',
  '}',
  '}}',
  '} }',
  '"',
  '\\',
  '&<>',
  "'",
  '/',
  '{ { ',
  'ü',
  '😀',
  '$1',
  '%',
  '\n\n',
  '-',
];

/** A Mustache text of what templates of notifications may have: variables, sections, inverted ones, comments. */
export function randomMustache(random: Random, depth = 0): string {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const space = () => pick(['', '', '', ' ', '  ', '\n', '\t']);
  const name = () => {
    if (random(6) === 0) return '.';
    return Array.from({ length: random(4) === 0 ? 2 : 1 }, () => pick(NAMES)).join('.');
  };
  const part = (): string => {
    const kind = random(depth < 3 ? 10 : 7);
    if (kind < 4) return pick(TEXTS);
    if (kind === 4) return `{{${space()}${name()}${space()}}}`;
    if (kind === 5)
      return pick([`{{{${space()}${name()}${space()}}}}`, `{{&${space()}${name()}${space()}}}`]);
    if (kind === 6) return `{{${space()}!${pick(['', ' note ', ' two\nlines ', '{'])}}}`;
    const section = name();
    return `{{${space()}${pick(['#', '#', '^'])}${space()}${section}${space()}}}${randomMustache(random, depth + 1)}{{/${space()}${section}${space()}}}`;
  };
  return Array.from({ length: random(7) }, part).join('');
}

/** Params that have most of the names above, in every kind of value. */
export function randomParams(random: Random, depth = 0): Record<string, unknown> {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const value = (): unknown => {
    const kind = random(depth < 3 ? 12 : 8);
    if (kind < 4) return pick(['text', 'ü', '{{a}}', '{{#a}}', '', '}}', '😀 {', '&<>"', '$&']);
    if (kind < 6) return pick([0, 1, -1, 7, 0.5, 1.25, 1e6, -0.001]);
    if (kind === 6) return pick([true, false]);
    if (kind === 7) return pick([null, [], {}]);
    if (kind === 8) return Array.from({ length: random(4) }, () => pick(['x', 1, true, 0, '', '{{b}}']));
    // A list within a list, which mustache.js cannot look into when it has null.
    if (kind === 9) return Array.from({ length: random(3) }, () => [pick(['x', 2])]);
    if (kind === 10) return Array.from({ length: random(4) }, () => randomParams(random, depth + 1));
    return randomParams(random, depth + 1);
  };
  return Object.fromEntries(NAMES.filter(() => random(5) > 0).map((name) => [name, value()]));
}
