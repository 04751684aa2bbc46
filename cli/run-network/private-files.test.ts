import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { LocalToken } from '../../certs/join-token/local-token.ts';
import { PrivateFiles } from './private-files.ts';

const web = 'spiffe://cluster.local/ns/shop/sa/web';
let folder = '';
let files: PrivateFiles;

describe.runIf(process.getuid?.() === 0)('PrivateFiles (as root: they are for the sidecar’s user)', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
    folder = mkdtempSync(join(tmpdir(), 'outrigger-private-'));
    files = new PrivateFiles({ folder, sidecarId: 60_520 });
  });
  afterEach(() => {
    files.close();
    vi.useRealTimers();
    rmSync(folder, { recursive: true });
  });

  it('hands over a local token for one identity, for a few minutes, and another in time; never the local token', () => {
    const { text, token } = LocalToken.make(issuingClock(Date.now));
    writeFileSync(join(folder, 'local-token'), `${text}\n`);
    const copy = join(files.dataFolder(folder, web), 'local-token');
    const shown = (): string => readFileSync(copy, 'utf8');
    const secret = text.slice(-43);
    for (let minute = 0; minute < 30; minute++) {
      const { identity, expiresAtMs } = token.narrowed(shown())!;
      expect(identity).toBe(web);
      expect(expiresAtMs - Date.now()).toBeGreaterThan(110_000);
      expect(expiresAtMs - Date.now()).toBeLessThanOrEqual(300_000);
      expect(shown()).not.toContain(secret);
      vi.advanceTimersByTime(60_000);
    }
    const after = LocalToken.make(issuingClock(Date.now));
    writeFileSync(join(folder, 'local-token'), after.text);
    vi.advanceTimersByTime(1_000);
    expect(after.token.narrowed(shown())?.identity).toBe(web);
  });

  it('is open to this sidecar’s user alone', () => {
    writeFileSync(join(folder, 'proof'), 'x');
    const copy = files.file(join(folder, 'proof'));
    expect([statSync(copy).uid, statSync(copy).gid, statSync(copy).mode & 0o777]).toEqual([60_520, 60_520, 0o400]);
    const around = statSync(join(folder, 'identity'));
    expect([around.uid, around.mode & 0o777]).toEqual([60_520, 0o700]);
  });
});
