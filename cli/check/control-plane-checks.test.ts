import { expect, test } from 'vitest';
import type { AdminFacts } from './admin-facts.ts';
import { configurationFindings } from './control-plane-checks.ts';

const info: AdminFacts['info'] = {
  ...{ startedAt: '', now: '', listen: '', listenTls: '', trustDomain: '' },
  configuration: ['mesh/'],
};

function found(faults: AdminFacts['faults']): string[] {
  return configurationFindings({ info, faults, warnings: [] }).map(({ level, text }) => `${level}: ${text}`);
}

test('of a fault the control plane itself says what is in force meanwhile: a new file has no last good content', () => {
  expect(
    found([
      { text: 'new.yaml:1:1: broken', meanwhile: 'there is no last good content, so nothing of it is in force' },
      { text: 'old.yaml:1:1: broken', meanwhile: 'the last good content, of 2026-01-01, stays in force' },
      { text: 'twice.yaml:1:1: stands twice', meanwhile: '' },
    ]),
  ).toEqual([
    'problem: new.yaml:1:1: broken; there is no last good content, so nothing of it is in force',
    'problem: old.yaml:1:1: broken; the last good content, of 2026-01-01, stays in force',
    'problem: twice.yaml:1:1: stands twice',
  ]);
  expect(found([])).toEqual(['ok: 1 path is read, without faults']);
});
