import { expect, test } from 'vitest';
import { APP_CHECKS, type AppFacts } from '../../../../src/cli/doctor/app.ts';
import { runChecks } from '../../../../src/cli/doctor/check.ts';
import { type Answers, serveAnswers } from '../../../support/http-answers.ts';

const READY =
  "/* eslint-disable -- the service worker of supapush, as it was built */\nSymbol.for('supapush.worker');\n";
const script = (body: string) => ({ type: 'text/javascript; charset=utf-8', body });

async function look(answers: Answers, changes: Partial<AppFacts> = {}) {
  const facts = {
    appUrl: await serveAnswers(answers),
    worker: '/sw.js',
    released: READY,
    patience: 5000,
    ...changes,
  };
  const { checks } = await runChecks('app', APP_CHECKS, facts);
  return checks.flatMap((check) => check.findings);
}

const codes = async (answers: Answers, changes: Partial<AppFacts> = {}) =>
  (await look(answers, changes)).map(({ code }) => code);

test.each<[string, Answers]>([
  ['ours', { '/sw.js': script(READY) }],
  ['ours with line ends of Windows', { '/sw.js': script(READY.replaceAll('\n', '\r\n')) }],
  ['one that has ours bundled in', { '/sw.js': script("a();Symbol.for('supapush.worker');b()") }],
  [
    'the app’s own, which loads ours',
    {
      '/sw.js': script("'use strict';\nimportScripts('/other.js', './supapush-sw.js?v=1');\n"),
      '/other.js': script('mine();'),
      '/supapush-sw.js': script(READY),
    },
  ],
])('a service worker that is %s is all right', async (_, answers) => {
  expect(await look(answers)).toEqual([]);
});

test.each<[string, Answers, string, RegExp]>([
  ['is not there', {}, 'worker_not_served', /answers 404/],
  [
    'is the page of the app',
    { '/sw.js': { type: 'text/html', body: '<p>' } },
    'worker_not_served',
    /served as text\/html/,
  ],
  [
    'lies behind a redirect',
    {
      '/sw.js': { status: 302, body: '', headers: { Location: '/moved.js' } },
      '/moved.js': script(READY),
    },
    'worker_not_served',
    /redirects to .*\/moved\.js/,
  ],
  [
    'shows no pushes',
    { '/sw.js': script('self.onfetch = null;') },
    'worker_without_handler',
    /does not hold/,
  ],
  [
    'names ours in a comment alone',
    { '/sw.js': script("// importScripts('/supapush-sw.js');\n") },
    'worker_without_handler',
    /does not hold/,
  ],
  [
    'loads other scripts',
    { '/sw.js': script("importScripts('/other.js');"), '/other.js': script('mine();') },
    'worker_without_handler',
    /nor do the scripts that it loads \(.*\/other\.js\)/,
  ],
  [
    'loads ours, which is not there',
    { '/sw.js': script("importScripts('/supapush-sw.js');") },
    'worker_not_served',
    /supapush-sw\.js answers 404/,
  ],
  [
    'is of another release',
    { '/sw.js': script(`${READY}older();\n`) },
    'worker_of_other_release',
    /another release/,
  ],
])('a service worker that %s is found', async (_, answers, code, message) => {
  const found = await look(answers);
  expect(found).toEqual([{ code, message: expect.stringMatching(message), cure: expect.any(String) }]);
});

test('it is looked for where a person says', async () => {
  expect(await codes({ '/app/worker.js': script(READY) }, { worker: '/app/worker.js' })).toEqual([]);
});

test('an app that does not answer is a finding; so is one without https, but on this machine', async () => {
  expect(await codes({}, { appUrl: 'http://127.0.0.1:1' })).toEqual(['app_unreachable']);
  expect(await codes({}, { appUrl: 'http://app.invalid', patience: 2000 })).toEqual([
    'app_not_secure',
    'app_unreachable',
  ]);
  expect(await codes({}, { appUrl: 'http://localhost:1' })).toEqual(['app_unreachable']);
});
