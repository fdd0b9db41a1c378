import Mustache from 'mustache';
import type postgres from 'postgres';
import { expect, test } from 'vitest';
import { createRandom } from '../../support/random-content.ts';
import { randomMustache, randomParams } from '../../support/random-mustache.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

/** mustache.js without HTML, which notes what it could not find or what has no text, where it writes nothing or nonsense. */
class Reference extends Mustache.Writer {
  readonly faults = new Set<string>();

  override escapedValue(token: string[], context: Mustache.Context): string {
    const value = context.lookup(token[1] as string) as unknown;
    if (value === undefined || (typeof value === 'object' && value !== null)) {
      this.faults.add(token[1] as string);
      return '';
    }
    return String(value ?? '');
  }

  override unescapedValue(token: string[], context: Mustache.Context): string {
    return this.escapedValue(token, context);
  }
}

interface Answer {
  text: string | null;
  faults: string[];
}

function reference({ template, params }: Case): Answer {
  const writer = new Reference();
  const text = writer.render(template, params);
  const faults = [...writer.faults].sort();
  return { text: faults.length > 0 ? null : text, faults };
}

interface Case {
  template: string;
  params: unknown;
}

async function rendered(cases: Case[]): Promise<Answer[]> {
  return await db().sql<Answer[]>`
    select push.render_mustache(m.nodes, array[c.params], false) as text, array(
      select distinct f.name collate "C" from push.mustache_faults(m.nodes, array[c.params], false) as f order by 1
    ) as faults
    from jsonb_to_recordset(${db().sql.json(cases as unknown as postgres.JSONValue)}) as c (template text, params jsonb)
    cross join lateral push.compile_mustache(c.template, 'The text') as m (nodes)`;
}

test('of 2,500 random templates each says what mustache.js says, and lacks what that does not find', async () => {
  const random = createRandom(2605);
  let whole = 0;
  for (let batch = 0; batch < 5; batch += 1) {
    const cases = Array.from({ length: 500 }, () => ({
      template: randomMustache(random),
      params: randomParams(random),
    }));
    const expected = cases.map(reference);
    const answers = await rendered(cases);
    whole += expected.filter(({ text }) => text !== null).length;
    expect(cases.map((given, index) => ({ ...given, ...answers[index] }))).toEqual(
      cases.map((given, index) => ({ ...given, ...expected[index] })),
    );
  }
  // Otherwise it would compare refusals alone.
  expect(whole).toBeGreaterThan(1000);
});
