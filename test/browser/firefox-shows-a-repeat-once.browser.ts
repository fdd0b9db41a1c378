import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { makeImpatient, settle } from '../support/impatient.ts';
import { useStack } from '../support/stack.ts';
import { useApp } from './support/use-app.ts';
import { useFirefox } from './support/use-firefox.ts';

// A push service that takes a message and breaks the connection is given it again: what its user sees of that.

const stack = useStack({ workers: { cron: false } });
const project = useApp(stack);
const firefox = useFirefox(stack, 'app');

const titles = async (): Promise<string[]> => (await firefox.alerts()).map(({ title }) => title);

test('a message that is sent three times is shown once, and does not count as dismissed', async () => {
  const { pushService } = stack();
  await makeImpatient(project.sql());
  const page = await firefox.openApp();
  await page.evaluate(async () => void (await appReady));
  const anna = await project.signUp(page, 'anna');
  const { endpoint } = await project.subscribe(page);
  const of = (url: string) => pushService.received.filter((request) => request.url === url);

  await project.notify(anna, 'Before');
  await eventually(titles, (shown) => shown.includes('Before'), 15_000);
  // A receipt that comes in between would end the repeats: it has to wait until they are over.
  await project.sql()`revoke execute on function public.push_record_receipts from service_role`;
  pushService.script(endpoint, { kind: 'accept', answer: 'reset', times: 2 });
  await project.notify(anna, 'Again');
  expect(await settle(project.sql(), ['sent'])).toEqual({ sent: 2 });
  expect(of(endpoint).map(({ status }) => status)).toEqual([201, null, null, 201]);
  await project.sql()`grant execute on function public.push_record_receipts to service_role`;
  // Firefox has shown all four.
  await pushService.autopush.waitForReports(({ code }) => code === 100, { count: 4 });
  await eventually(titles, (shown) => shown.includes('Again'), 15_000);
  expect((await titles()).sort()).toEqual(['Again', 'Before']);
  expect(
    await page.evaluate(async () => {
      const shown = await (await navigator.serviceWorker.ready).getNotifications();
      return shown.map(({ title }) => title).sort();
    }),
  ).toEqual(['Again', 'Before']);

  await firefox().clickAlert('Again');
  expect(await project.receipts(anna, 3)).toEqual([
    { title: 'Again', event: 'clicked' },
    { title: 'Again', event: 'displayed' },
    { title: 'Before', event: 'displayed' },
  ]);
});
