import { expect, test } from 'vitest';
import type { AdminFacts } from './admin-facts.ts';
import { configurationFindings, versionFindings } from './control-plane-checks.ts';

const info: AdminFacts['info'] = {
  ...{ version: '1', startedAt: '', now: '', listen: '', listenTls: '', trustDomain: '' },
  configuration: ['mesh/'],
};

function found(faults: AdminFacts['faults']): string[] {
  return configurationFindings({ info, faults, warnings: [] }).map(({ level, text }) => `${level}: ${text}`);
}

test('of a fault the control plane itself says what is in force meanwhile: a new file has no last good content', () => {
  expect(
    found([
      {
        file: 'new.yaml',
        text: 'new.yaml:1:1: broken',
        meanwhile: 'there is no last good content, so nothing of it is in force',
      },
      {
        file: 'old.yaml',
        text: 'old.yaml:1:1: broken',
        meanwhile: 'the last good content, of 2026-01-01, stays in force',
      },
      { file: 'twice.yaml', text: 'twice.yaml:1:1: stands twice', meanwhile: '' },
    ]),
  ).toEqual([
    'problem: new.yaml:1:1: broken; there is no last good content, so nothing of it is in force',
    'problem: old.yaml:1:1: broken; the last good content, of 2026-01-01, stays in force',
    'problem: twice.yaml:1:1: stands twice',
  ]);
  expect(found([])).toEqual(['ok: 1 path is read, without faults']);
});

test('what to do about a fault is said of what there is: a file, or an object of the API server', () => {
  const faults = [
    { file: 'a.yaml', text: 'a.yaml:1:1: broken', meanwhile: '' },
    { file: 'Kubernetes', text: 'Kubernetes: TrafficPolicy shop/a: broken', meanwhile: '' },
  ];
  expect(configurationFindings({ info, faults, warnings: [] }).map(({ next }) => next)).toEqual([
    'mend the file: it is read again by itself',
    'mend the object (kubectl edit), or what the API server lacks: both are seen by themselves',
  ]);
});

test('versions that differ are warned of: of the command, and of sidecars by version', () => {
  const told = (version: string, ...sidecars: string[]): string[] =>
    versionFindings(
      {
        info: { ...info, version },
        proxies: sidecars.map((each, i) => ({ nodeId: `p${i}`, kind: 'outrigger', version: each })) as never,
      },
      '2',
    ).map(({ level, text }) => `${level}: ${text}`);
  expect(told('2', '2', '')).toEqual(['ok: control plane, sidecars and this command are outrigger 2']);
  expect(told('1', '1')).toEqual(['warning: the control plane is outrigger 1, and this command is 2']);
  expect(told('2', '1', '1', '2')).toEqual(['warning: p0, p1: outrigger 1, and the control plane is 2']);
});
