import { expect, test } from 'vitest';
import { ProxyError } from '../codec/proxy-error.ts';
import { get, StreamRig } from '../connection-manager/test/stream-rig.ts';
import { LazyGate } from './lazy-gate.ts';
import type { GateVerdict, RequestGate } from './request-gate.ts';

const denied = new ProxyError({ flag: 'UAEX', source: 'local', details: 'no', message: 'No.' });
const gone = new ProxyError({ flag: 'DC', source: 'downstream', details: 'gone', message: 'Gone.' });

function gate(check: RequestGate['check']): RequestGate {
  return { name: 'inner', answersAtOnce: true, check };
}

test('requests wait until the gate has come, then are judged; later ones at once', async () => {
  let open: (gate: RequestGate) => void = () => {};
  const lazy = new LazyGate('lazy', () => new Promise((resolve) => (open = resolve)));
  const passing = new StreamRig({ gates: [lazy] }).request(get('/a'));
  const refused = new StreamRig({ gates: [lazy] }).request(get('/b'));
  const left = new StreamRig({ gates: [lazy] }).request(get('/c'));
  expect(passing.cluster.streams.length).toBe(0);
  expect(lazy.answersAtOnce).toBe(false);
  left.stream.onReset(gone);
  const asked: string[] = [];
  open(
    gate(({ head }) => {
      asked.push(head.path);
      return head.path === '/b' ? denied : null;
    }),
  );
  await lazy.loaded;
  expect(passing.cluster.streams.length).toBe(1);
  expect(refused.downstream.head!.status).toBe(403);
  expect(asked).toEqual(['/a', '/b']);
  expect(lazy.answersAtOnce).toBe(true);
  expect(new StreamRig({ gates: [lazy] }).request(get('/d')).cluster.streams.length).toBe(1);
});

test('a gate that takes its time itself is told when the request is over', async () => {
  let open: (gate: RequestGate) => void = () => {};
  let decide: (verdict: GateVerdict) => void = () => {};
  let cancelled = 0;
  const lazy = new LazyGate('lazy', () => new Promise((resolve) => (open = resolve)));
  const waiting = new StreamRig({ gates: [lazy] }).request();
  const passing = new StreamRig({ gates: [lazy] }).request();
  open({
    name: 'slow',
    check: (_request, later) => {
      decide = later;
      return { cancel: () => cancelled++ };
    },
  });
  await lazy.loaded;
  waiting.stream.onReset(gone);
  expect(cancelled).toBe(1);
  decide(null);
  expect(passing.cluster.streams.length).toBe(1);
});

test('a gate that cannot be had lets nobody pass', async () => {
  const lazy = new LazyGate('lazy', () => Promise.reject(new Error('no such file')));
  const before = new StreamRig({ gates: [lazy] }).request();
  await lazy.loaded;
  const after = new StreamRig({ gates: [lazy] }).request();
  for (const rig of [before, after]) {
    expect(rig.downstream.head!.status).toBe(500);
    expect(rig.downstream.body).toContain('lazy could not be loaded: no such file');
  }
});
