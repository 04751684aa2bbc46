import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { giveBackSidecarId, isSidecarId, takeSidecarId } from './sidecar-ids.ts';

let root = '';
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'outrigger-ids-'))));
afterEach(() => rmSync(root, { recursive: true }));
const nobody = (): ReadonlySet<number> => new Set();

describe.runIf(process.platform === 'linux')('users of sidecars', () => {
  it('are of numbers that no machine gives away (systemd-homed ends at 60513, dynamic users begin at 61184), and no two are the same', () => {
    const ids = Array.from({ length: 20 }, () => takeSidecarId(root, nobody));
    expect(new Set(ids).size).toBe(20);
    for (const id of ids) expect([id > 60_513, id < 61_184, isSidecarId(id)]).toEqual([true, true, true]);
    expect([isSidecarId(60_513), isSidecarId(61_184), isSidecarId(1337)]).toEqual([false, false, false]);
  });

  it('are free again when they are given back, and when who had one was killed and nobody runs as it any more', () => {
    const id = takeSidecarId(root, nobody);
    giveBackSidecarId(root, id);
    expect(takeSidecarId(root, nobody)).toBe(id);
    writeFileSync(join(root, 'sidecar-users', String(id)), '999999999 1');
    expect(takeSidecarId(root, () => new Set([id]))).not.toBe(id);
    expect(takeSidecarId(root, nobody)).toBe(id);
  });
});
