import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOwner, ensureOwnerOnlyFolder, readOwnerOnly, writeOwnerOnly } from './owner-only.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-owner-only-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('owner-only files', () => {
  it('are made with mode 0600 in folders of 0700, whole, with nothing left beside them', () => {
    const inner = join(folder, 'a/b');
    ensureOwnerOnlyFolder(inner);
    expect(statSync(inner).mode & 0o777).toBe(0o700);
    writeOwnerOnly(join(inner, 'key'), 'one');
    writeOwnerOnly(join(inner, 'key'), 'two');
    expect(statSync(join(inner, 'key')).mode & 0o777).toBe(0o600);
    expect(readOwnerOnly(join(inner, 'key'))).toBe('two');
    expect(readdirSync(inner)).toEqual(['key']);
  });

  it('that are missing read as null', () => {
    expect(readOwnerOnly(join(folder, 'none'))).toBeNull();
  });

  it.each([0o640, 0o604, 0o660, 0o644])('with mode %o are refused, with the command that mends it', (mode) => {
    const path = join(folder, 'key');
    writeFileSync(path, 'x');
    chmodSync(path, mode);
    expect(() => readOwnerOnly(path)).toThrow(
      `open to other users (mode ${mode.toString(8).padStart(4, '0')}); if nobody can have read or changed it, run: chmod 600 ${path}`,
    );
  });

  it('in a folder that others may enter are refused', () => {
    const inner = join(folder, 'open');
    mkdirSync(inner);
    chmodSync(inner, 0o755);
    expect(() => ensureOwnerOnlyFolder(inner)).toThrow('open to other users (mode 0755)');
  });

  it('are not written larger than they may be read, and stay as they were', () => {
    const path = join(folder, 'grown');
    writeOwnerOnly(path, 'x');
    expect(() => writeOwnerOnly(path, 'é'.repeat(8 * 1024 * 1024 + 1))).toThrow('would be larger than 16777216 bytes');
    expect(readOwnerOnly(path)).toBe('x');
  });

  it('that belong to somebody else are refused', () => {
    const stats = Object.assign(statSync(folder), { uid: 4_000_000 });
    expect(() => checkOwner(folder, stats, '700')).toThrow('belongs to the user 4000000');
  });

  it('that are links or folders are refused', () => {
    writeOwnerOnly(join(folder, 'real'), 'x');
    symlinkSync(join(folder, 'real'), join(folder, 'link'));
    expect(() => readOwnerOnly(join(folder, 'link'))).toThrow('is a symbolic link');
    expect(() => readOwnerOnly(folder)).toThrow('is not a plain file');
  });
});
