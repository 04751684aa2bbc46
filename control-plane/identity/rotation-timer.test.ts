import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { publicKeyDer } from '../../certs/x509/public-key.ts';
import { BundleWatchers } from './bundle-watchers.ts';
import { RotationTimer, rotationTiming } from './rotation-timer.ts';

const dayMs = 24 * 3_600_000;
let folder = '';
let nowMs = 0;
let authority: CertificateAuthority;
let watchers: BundleWatchers;
const timing = rotationTiming(dayMs);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-rotation-'));
  nowMs = Date.parse('2026-06-01T12:00:00Z');
  open();
});
afterEach(() => {
  authority.close();
  rmSync(folder, { recursive: true });
});

function open(): void {
  authority = new CertificateAuthority({
    folder: join(folder, 'authority'),
    trustDomain: 'td',
    clock: issuingClock(() => nowMs),
    rotationTiming: timing,
    operatorAuthority: null,
  });
  watchers = new BundleWatchers(authority.holders, () => nowMs, dayMs);
}

function timer(): RotationTimer {
  return new RotationTimer({
    authority,
    watchers,
    timing,
    log: pino({ level: 'silent' }),
    nowMs: () => nowMs,
    after: () => () => {},
  });
}

describe('RotationTimer', () => {
  it('goes on when all are ready', () => {
    const rotation = timer();
    nowMs += 120_000;
    authority.rotate();
    nowMs += timing.minPhaseMs;
    rotation.look();
    expect(authority.status().state.phase).toBe('draining');
  });

  it('takes nobody’s being there right after a start for no evidence', () => {
    authority.rotate();
    nowMs += 2 * timing.minPhaseMs;
    const rotation = timer();
    rotation.look();
    expect(authority.status().state.phase).toBe('distributing');
    nowMs += timing.minPhaseMs;
    rotation.look();
    expect(authority.status().state.phase).toBe('draining');
  });

  it('waits after a start for who got a certificate before it, and is not here, until that has expired', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const id = serviceAccountId('td', 'shop', 'orders');
    const leaf = authority.sign(publicKeyDer(publicKey), id, { proof: 'join_token', peer: '' });
    authority.rotate();
    authority.close();
    open();
    const rotation = timer();
    nowMs += 12 * 3_600_000;
    rotation.look();
    expect(authority.status().state.phase).toBe('distributing');
    nowMs = leaf.notAfterMs - 1;
    rotation.look();
    expect(authority.status().state.phase).toBe('distributing');
    nowMs = leaf.notAfterMs;
    rotation.look();
    expect(authority.status().state.phase).toBe('draining');
  });

  it('is as fast as short certificates need', () => {
    expect(rotationTiming(dayMs)).toEqual({ minPhaseMs: 60_000, skewMs: 300_000 });
    expect(rotationTiming(4_000)).toEqual({ minPhaseMs: 2_000, skewMs: 4_000 });
  });
});
