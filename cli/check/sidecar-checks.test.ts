import { expect, test } from 'vitest';
import type { CredentialCertificate, CredentialStatus } from '../../sidecar/credential-status.ts';
import { controlPlaneFindings } from './control-plane-checks.ts';
import { type SidecarFacts, sidecarFindings } from './sidecar-checks.ts';

const nowMs = Date.parse('2026-11-28T12:00:00Z');
const at = (days: number): string => new Date(nowMs + days * 86_400_000).toISOString();
const shown = (serial: string, from: number, until: number): CredentialCertificate => ({
  ...{ of: `spiffe://x/${serial}`, serial_number: serial, valid_from: at(from), expiration_time: at(until) },
});
const inFile = (more: Partial<CredentialStatus>): CredentialStatus => ({
  ...{ kind: 'certificate', source: 'file', from: 'the file cert.pem', used_by: ['listener in'], refusal: '' },
  certificates: [],
  ...more,
});

function found(more: Partial<SidecarFacts>): string[] {
  const ready = { status: 200, body: 'LIVE\n', clockMs: nowMs };
  const facts = { ready, identity: null, credentials: [], plaintextListeners: [], metrics: '', ...more };
  return sidecarFindings(facts, { host: '127.0.0.1', port: 15_000 }, nowMs).map(
    ({ level, text }) => `${level}: ${text}`,
  );
}

test('every certificate in use: how long it lasts, near its end, over it, or not begun', () => {
  const own = [shown('2', -80, 1), shown('3', -80, -1), shown('4', 1, 90), shown('5', -10, 90)];
  const credentials = [
    ...own.map((certificate) => inFile({ certificates: [certificate] })),
    inFile({ kind: 'ca', certificates: [shown('8', -99, 99), shown('9', -99, -1)] }),
  ];
  const where = '(the file cert.pem; for listener in)';
  expect(found({ credentials }).slice(1)).toEqual([
    `problem: the certificate of spiffe://x/2, serial 2 ${where}: less than a quarter of its life is left (24 h, until ${at(1)})`,
    `problem: the certificate of spiffe://x/3, serial 3 ${where} expired at ${at(-1)}`,
    `problem: the certificate of spiffe://x/4, serial 4 ${where} is not yet valid, before ${at(1)}`,
    `ok: the certificate of spiffe://x/5, serial 5 ${where}: 90 d left, until ${at(90)}`,
    `warning: the trusted CA spiffe://x/9, serial 9 (the file cert.pem) expired at ${at(-1)}`,
  ]);
});

test('secrets that are broken or missing, and why', () => {
  const good = [shown('5', -10, 90)];
  const credentials = [
    inFile({ refusal: 'is neither YAML nor JSON' }),
    inFile({ refusal: 'is neither YAML nor JSON', certificates: good }),
    inFile({ kind: 'ca', source: 'sds', from: 'the secret "ROOTCA", by SDS from the control plane' }),
  ];
  const where = 'certificate (the file cert.pem; for listener in)';
  expect(found({ credentials }).slice(1)).toEqual([
    `problem: there is no ${where}: it was refused: is neither YAML nor JSON`,
    `problem: the newest ${where} was refused, and the one before goes on: is neither YAML nor JSON`,
    expect.stringMatching(/^ok: the certificate of/),
    'problem: there is no set of trusted CAs (the secret "ROOTCA", by SDS from the control plane; for listener in): it has not come yet',
  ]);
});

test('without an identity it is plaintext only where there are no certificates from elsewhere either', () => {
  expect(found({})[1]).toBe('warning: it has no identity: what goes in and out there is plaintext');
  const credentials = [inFile({ certificates: [shown('5', -10, 90)] })];
  expect(found({ credentials, plaintextListeners: ['in'] })[1]).toBe(
    'warning: plaintext is taken from other machines by the listener in',
  );
});

test('not ready: the state, or why no caller can be served', () => {
  expect(found({ ready: { status: 503, body: 'INITIALIZING\n', clockMs: nowMs } })[0]).toBe(
    'problem: 127.0.0.1:15000 is not ready (INITIALIZING)',
  );
  const body = 'NO_VALID_CERTIFICATE\nno caller can be served: it expired\n';
  expect(found({ ready: { status: 503, body, clockMs: nowMs } })[0]).toBe(
    'problem: 127.0.0.1:15000 is not ready: no caller can be served: it expired',
  );
  expect(found({ ready: { status: 200, body: 'LIVE\nwarning: soon\n', clockMs: nowMs } })[0]).toBe(
    'ok: 127.0.0.1:15000 is ready',
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
  const info = {
    version: '1',
    startedAt: at(-1),
    now: at(0),
    listen: '',
    listenTls: '',
    trustDomain: '',
    configuration: [],
  };
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

test("its clock against this machine's, where it says (Date)", () => {
  const clock = (clockMs: number): string => found({ ready: { status: 200, body: 'LIVE\n', clockMs } }).join('\n');
  expect(clock(nowMs - 30_000)).toContain('warning: its clock is 30 s behind that of this machine');
  expect(clock(nowMs + 3_600_000)).toMatch(/its clock is (?:60 min|1 h) ahead of/);
  for (const fine of [nowMs - 9_000, nowMs + 9_000, Number.NaN]) expect(clock(fine)).not.toContain('clock');
});
