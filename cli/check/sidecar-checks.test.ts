import { expect, test } from 'vitest';
import { controlPlaneFindings } from './control-plane-checks.ts';
import { type SidecarFacts, sidecarFindings } from './sidecar-checks.ts';

const nowMs = Date.parse('2026-11-28T12:00:00Z');
const at = (days: number): string => new Date(nowMs + days * 86_400_000).toISOString();
const shown = (serial: string, from: number, until: number) => ({
  ...{ path: 'cert.pem', serial_number: serial, valid_from: at(from), expiration_time: at(until) },
});

function found(more: Partial<SidecarFacts>): string[] {
  const facts = { ready: { status: 200, body: 'LIVE\n' }, identity: null, contexts: [], metrics: '', ...more };
  return sidecarFindings(facts, { host: '127.0.0.1', port: 15_000 }, nowMs).map(
    ({ level, text }) => `${level}: ${text}`,
  );
}

test('every certificate in use: near its end, over it, or not begun', () => {
  const contexts = [
    { cert_chain: [shown('1', -80, 20), shown('2', -80, 1)], ca_cert: [shown('9', -99, -1)] },
    { cert_chain: [shown('1', -80, 20)], ca_cert: [] },
    { cert_chain: [shown('3', -80, -1)], ca_cert: [] },
    { cert_chain: [shown('4', 1, 90)], ca_cert: [] },
    { cert_chain: [shown('5', -10, 90)], ca_cert: [] },
  ];
  expect(found({ contexts }).slice(2)).toEqual([
    expect.stringMatching(/^problem: the certificate 1 \(cert\.pem\): less than a quarter of its life is left \(20 d/),
    expect.stringMatching(/^problem: the certificate 3 \(cert\.pem\) expired at/),
    expect.stringMatching(/^problem: the certificate 4 \(cert\.pem\) is not yet valid/),
    expect.stringMatching(/^warning: the trusted CA 9 \(cert\.pem\) expired at/),
  ]);
  expect(found({ ready: { status: 503, body: 'INITIALIZING\n' } })[0]).toBe(
    'problem: 127.0.0.1:15000 is not ready (INITIALIZING)',
  );
});

test('plaintext requests that came in: refused, and let in', () => {
  const metrics = [
    'envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="inbound"} 100',
    'envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="inbound_plaintext"} 12',
    'outrigger_authorization_total{direction="inbound",policy="mTLS STRICT (the default)",result="denied"} 8',
    'outrigger_authorization_total{direction="inbound",policy="PeerAuthentication shop/a: mTLS STRICT",result="denied"} 1',
    'outrigger_authorization_total{direction="inbound",policy="shop/b#rule-0",result="denied"} 3',
  ].join('\n');
  expect(found({ metrics }).slice(2)).toEqual([
    'warning: 9 plaintext requests were refused since it started (mTLS STRICT)',
    'warning: 3 plaintext requests were let in since it started (mTLS PERMISSIVE)',
  ]);
});

test("this machine's clock against the control plane's: certificates reach back by a minute", () => {
  const info = { startedAt: at(-1), now: at(0), listen: '', listenTls: '', trustDomain: '', configuration: [] };
  const clock = (seconds: number): string =>
    controlPlaneFindings({ info, infoMs: nowMs + seconds * 1000 }, 'here')
      .slice(1)
      .map(({ level, text }) => `${level}: ${text}`)
      .join();
  expect([clock(0), clock(9), clock(-9)]).toEqual(['', '', '']);
  expect(clock(-30)).toBe("warning: the clock of this machine is 30 s behind the control plane's");
  expect(clock(-61)).toContain('problem: the clock of this machine is 61 s behind');
  expect(clock(90)).toContain('problem: the clock of this machine is 90 s ahead of');
});
