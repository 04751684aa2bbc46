/** An upgrade over HTTP/2 (extended CONNECT) that the service does not take: what the caller is told is what is logged and counted. */
import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';
import { anyPath, route } from './test/configs.ts';
import { answer, bytes, get, StreamRig } from './test/stream-rig.ts';

/** As the HTTP/2 codec hands an extended CONNECT over. */
function upgrade(version: '1.1' | '2'): RequestHead {
  const head = get('/', HeaderFields.of(['connection', 'upgrade'], ['upgrade', 'websocket']), version);
  head.upgrade = 'websocket';
  return head;
}

test('a success without the upgrade is sent, logged and counted as 502: over HTTP/2 a 2xx would be the upgrade (RFC 8441 5)', () => {
  const rig = new StreamRig().request(upgrade('2'), false);
  const up = rig.cluster.last;
  up.receiver.onHead(answer(200, ['content-length', '2']), false);
  up.receiver.onData(bytes('no'), true);
  expect(rig.ends).toBe(1);
  expect(rig.downstream.head!.status).toBe(502);
  expect(rig.logged).toMatchObject({ status: 502, details: 'via_upstream{upgrade_refused}' });
  expect(rig.counter('http.test.downstream_rq_5xx')).toBe(1);
  expect(rig.counter('http.test.downstream_rq_2xx')).toBe(0);
});

test('so is an answer that the route makes up', () => {
  const routes = [route('fixed', anyPath, { kind: 'direct-response', status: 200, body: 'hello' })];
  const rig = new StreamRig({ routes }).request(upgrade('2'), false);
  expect(rig.downstream.head!.status).toBe(502);
  expect(rig.logged).toMatchObject({ status: 502, details: 'direct_response' });
});

test('other answers to it, and a success over HTTP/1.1, stay as they are', () => {
  const refused = new StreamRig().request(upgrade('2'), true);
  refused.cluster.last.receiver.onHead(answer(426), true);
  expect(refused.logged).toMatchObject({ status: 426, details: 'via_upstream' });
  const http1 = new StreamRig().request(upgrade('1.1'), true);
  http1.cluster.last.receiver.onHead(answer(200), true);
  expect(http1.logged).toMatchObject({ status: 200, details: 'via_upstream' });
});
