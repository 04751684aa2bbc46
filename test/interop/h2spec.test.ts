/** h2spec, in strict mode, against a listener of the built sidecar, in plain text and over TLS. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import {
  downstreamTls,
  listener,
  routeConfiguration,
  routeTo,
  staticBootstrap,
  staticCluster,
} from './envoy-resources.ts';
import { peer, Stage } from './programs.ts';

describe('h2spec --strict', () => {
  const stage = new Stage();
  let plainPort: number;
  let tlsPort: number;

  beforeAll(async () => {
    const [plain, tls, adminPort] = (await freePorts(3)) as [number, number, number];
    plainPort = plain;
    tlsPort = tls;
    const backend = await stage.backend('h2spec');
    const key = join(stage.folder, 'key.pem');
    const certificate = join(stage.folder, 'certificate.pem');
    const made = spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate,
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
    ]);
    expect(made.status, String(made.stderr)).toBe(0);
    const routes = routeConfiguration('all', [routeTo('backend')]);
    await stage.sidecar(
      staticBootstrap({
        adminPort,
        // With AUTO, h2spec's "invalid connection preface" is an HTTP/1.1 request, and is rightly answered as one: 400.
        listeners: [
          listener({ name: 'plain', port: plainPort, codec: 'HTTP2' }, routes),
          listener({ name: 'tls', port: tlsPort, transportSocket: downstreamTls(certificate, key) }, routes),
        ],
        clusters: [staticCluster({ name: 'backend' }, [backend.httpPort])],
      }),
    );
  });
  afterAll(() => stage.stop());

  it('passes every case over a plain-text connection (RFC 9113, RFC 7541)', () => {
    expectEveryCase(plainPort, []);
  });

  it('passes every case over TLS with ALPN h2', () => {
    expectEveryCase(tlsPort, ['--tls', '--insecure']);
  });

  function expectEveryCase(port: number, flags: readonly string[]): void {
    const report = join(stage.folder, `h2spec-${port}.xml`);
    const run = spawnSync(
      peer('h2spec'),
      ['--strict', '--host', '127.0.0.1', '--port', String(port), '--timeout', '3', '--junit-report', report, ...flags],
      {
        encoding: 'utf8',
        timeout: 240_000,
      },
    );
    const cases = readCases(readFileSync(report, 'utf8'));
    const failed = cases
      .filter((one) => one.outcome !== 'passed')
      .map((one) => `${one.section} ${one.name}: ${one.outcome}`);
    expect(failed, run.stdout.slice(-3000)).toEqual([]);
    expect(cases.length).toBeGreaterThanOrEqual(146);
    expect(run.status).toBe(0);
  }
});

interface Case {
  readonly section: string;
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
}

/** h2spec's JUnit file: one `testcase` each, with a `failure`, `error` or `skipped` in it when it did not pass. */
function readCases(xml: string): Case[] {
  return [
    ...xml.matchAll(/<testcase\s+package="([^"]*)"\s+classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g),
  ].map((match) => {
    const inside = match[3] ?? '';
    const outcome = /<(failure|error)/.test(inside) ? 'failed' : /<skipped/.test(inside) ? 'skipped' : 'passed';
    return { section: match[1]!, name: match[2]!, outcome };
  });
}
