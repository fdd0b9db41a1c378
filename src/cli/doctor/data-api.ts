import { parseJson } from '../../shared/parse-json.ts';
import { ask, saidBy } from './answer.ts';
import type { Finding } from './check.ts';
import type { FunctionFacts } from './function-facts.ts';

/** Whether the Data API serves what browsers call. */
export async function apiFindings({
  projectUrl,
  publishableKey,
  vapidKey,
  patience,
}: FunctionFacts): Promise<Finding[]> {
  if (publishableKey === undefined) return [];
  const answer = await ask(`${projectUrl}/rest/v1/rpc/push_vapid_key`, patience, { apikey: publishableKey });
  if (typeof answer === 'string') {
    return [
      {
        code: 'api_unreachable',
        message: `The Data API of ${projectUrl} does not answer from here: ${answer}`,
        cure: 'Check the project URL (--project-url) and your network.',
      },
    ];
  }
  if (answer.status === 200) {
    if (vapidKey === undefined || parseJson(answer.text) === vapidKey) return [];
    return [
      {
        code: 'project_differs',
        message: `The Data API of ${projectUrl} has another VAPID key than this database: they are two projects.`,
        cure: 'Give --project-url and --database-url of one project.',
      },
    ];
  }
  switch (answer.body.code) {
    case 'PGRST106':
      return [
        {
          code: 'schema_not_exposed',
          message:
            'The Data API does not serve the schema public, where the tables and functions for your app are.',
          cure: 'Dashboard → Project Settings → Data API → Exposed schemas: add public.',
        },
      ];
    case 'PGRST202':
      return [
        {
          code: 'api_schema_old',
          message: 'The Data API does not know the functions of Supapush yet.',
          cure: "notify pgrst, 'reload schema';",
        },
      ];
    default:
      return [
        {
          code: 'api_refuses',
          message: `The Data API answers ${saidBy(answer)}.`,
          cure: 'Check the key (--publishable-key): Dashboard → Project Settings → API Keys.',
        },
      ];
  }
}
