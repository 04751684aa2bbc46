/** How many proxies of one identity get secrets: the bound, whom it costs a use of a token, and what is logged. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { TrustedBundles } from '../../certs/spiffe/trusted-bundles.ts';
import { RefusalLog } from '../door/refusal-log.ts';
import type { StreamSecrets } from '../xds-server/secret-source.ts';
import { BundleWatchers } from './bundle-watchers.ts';
import { secretNames } from './encode-secret.ts';
import { IdentityMetrics } from './identity-metrics.ts';
import { IssuedSecrets } from './issued-secrets.ts';
import { SigningRate } from './signing-rate.ts';

let folder = '';
let authority: CertificateAuthority;
let secrets: IssuedSecrets;
let metrics: IdentityMetrics;
let timers: Array<() => void> = [];
let logged: string[] = [];
const uses: string[] = [];
const nowMs = (): number => Date.parse('2026-06-01T12:00:00Z');

beforeEach(() => {
  logged = [];
  timers = [];
  metrics = new IdentityMetrics();
  uses.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'outrigger-secrets-'));
  authority = new CertificateAuthority({
    folder: join(folder, 'authority'),
    trustDomain: 'td',
    clock: issuingClock(nowMs),
    operatorAuthority: null,
  });
  const log = pino(
    new Writable({
      write: (chunk: Buffer, _, done) => {
        logged.push(chunk.toString());
        done();
      },
    }),
  );
  secrets = new IssuedSecrets({
    authority,
    bundles: new TrustedBundles(() => authority.bundle()),
    watchers: new BundleWatchers(authority.holders, nowMs, 60_000),
    metrics,
    log,
    refusalLog: new RefusalLog(log, () => () => {}),
    rate: new SigningRate(nowMs, 60_000, { burstOfIdentity: 3 }),
    nowMs,
    after: (_, callback) => {
      timers.push(callback);
      return () => void timers.splice(timers.indexOf(callback), 1);
    },
    random: () => 0.5,
    maxProxiesOfOne: 2,
  });
});
afterEach(() => {
  secrets.close();
  authority.close();
  rmSync(folder, { recursive: true });
});

function open(nodeId: string, use: () => void = () => {}): StreamSecrets {
  return secrets.open({
    identity: serviceAccountId('td', 'shop', 'orders'),
    proof: 'join_token',
    nodeId,
    peer: '10.0.0.1:1',
    use: () => {
      use();
      uses.push(nodeId);
    },
    onChange: () => {},
  });
}

/** Whether it has a certificate of its own then. */
function ask(stream: StreamSecrets): boolean {
  stream.want([secretNames.own]);
  return stream.resources().has(secretNames.own);
}

describe('IssuedSecrets', () => {
  it('does not use up a token for a proxy that it refuses, and logs so many refusals a second', () => {
    expect(['a', 'b', 'c'].map((nodeId) => ask(open(nodeId)))).toEqual([true, true, false]);
    expect(uses).toEqual(['a', 'b']);
    const again = open('d');
    for (let times = 0; times < 100; times++) ask(again);
    expect(uses).toEqual(['a', 'b']);
    expect(logged.filter((line) => line.includes('has 2 proxies with certificates by SDS'))).toHaveLength(20);
  });

  it('signs no more for new node ids than an identity needs, and counts what it refuses', () => {
    const forget = (nodeId: string): void => {
      const stream = open(nodeId);
      ask(stream);
      stream.close();
      for (const timer of timers.splice(0)) timer();
    };
    for (const nodeId of ['a', 'b', 'c']) forget(nodeId);
    expect(() => forget('d')).toThrow(expect.objectContaining({ reason: 'exhausted' }));
    expect(uses).toEqual(['a', 'b', 'c']);
    expect(metrics.certificates).toContainEqual({ labels: { proof: 'sds', result: 'exhausted' }, value: 1 });
  });

  it('does not count a proxy whose token is used up', () => {
    const usedUp = (): void => {
      throw new Error('used up');
    };
    for (let times = 0; times < 2; times++) expect(() => ask(open('a', usedUp))).toThrow('used up');
    expect(ask(open('b'))).toBe(true);
  });
});
