import { expect, test } from 'vitest';
import { changesBetween } from '../../../../src/cli/upgrade/changelog.ts';

const CHANGELOG = `# Changelog

## Unreleased

- not yet

## 0.10.0

- ten

## [0.9.1] - 2027-03-01

- nine one

## v0.9.0

- nine

## 0.2.0

- two
`;

test('what came after the one release, up to the other, the newest first', () => {
  expect(changesBetween(CHANGELOG, '0.2.0', '0.10.0')).toBe(
    '## 0.10.0\n\n- ten\n\n## [0.9.1] - 2027-03-01\n\n- nine one\n\n## v0.9.0\n\n- nine',
  );
  expect(changesBetween(CHANGELOG.replaceAll('\n', '\r\n'), '0.1.0', '0.2.0')).toBe('## 0.2.0\n\n- two');
});

test('nothing where there is nothing between them', () => {
  expect(changesBetween(CHANGELOG, '0.10.0', '0.10.0')).toBe('');
  expect(changesBetween('# Changelog\n', '0.1.0', '0.2.0')).toBe('');
});

test('pre-releases are before their release, in their order', () => {
  const drafts = ['1.0.0', '1.0.0-rc.10', '1.0.0-rc.2', '1.0.0-rc', '1.0.0-beta', '1.0.0-1', '0.9.0'];
  const changelog = drafts.map((version) => `## ${version}\n\n- ${version}\n`).join('\n');
  for (const [index, from] of drafts.entries()) {
    const said = [...changesBetween(changelog, from, '1.0.0').matchAll(/^- (.*)$/gm)].map(
      ([, version]) => version,
    );
    expect(said, from).toEqual(drafts.slice(0, index));
  }
});
