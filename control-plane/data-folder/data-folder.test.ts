import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataFolder } from './data-folder.ts';

let parent = '';
let path = '';
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'outrigger-data-'));
  path = join(parent, 'a/b');
});
afterEach(() => rmSync(parent, { recursive: true }));

describe('DataFolder', () => {
  it('is made when it is missing, for one control plane at a time', () => {
    const folder = DataFolder.open(path);
    expect(() => DataFolder.open(path)).toThrow(`another control plane (pid ${process.pid}) uses it`);
    folder.close();
    DataFolder.open(path).close();
    expect(existsSync(join(path, 'control-plane.pid'))).toBe(false);
  });

  it.each([
    ['a process that is gone', '2147483000 1\n'],
    ['another process that has its number now', `${process.pid} 1\n`],
    ['nobody, as it is damaged', 'x'],
    ['nobody, as it is empty', ''],
  ])('takes over the lock of %s', (_, text) => {
    DataFolder.open(path).close();
    writeFileSync(join(path, 'control-plane.pid'), text);
    const folder = DataFolder.open(path);
    expect(readFileSync(join(path, 'control-plane.pid'), 'utf8')).toMatch(new RegExp(`^${process.pid} `));
    folder.close();
  });

  it('is refused when others may write to it, or when it is no folder', () => {
    DataFolder.open(path).close();
    chmodSync(path, 0o777);
    expect(() => DataFolder.open(path)).toThrow('others may write to it (mode 777)');
    writeFileSync(join(parent, 'file'), '');
    for (const file of ['file', 'file/below'])
      expect(() => DataFolder.open(join(parent, file))).toThrow(
        /it is a file, or stands below one; a folder is expected; give another with --data-dir$/,
      );
  });

  it('writes files that everybody may read, whole', () => {
    const folder = DataFolder.open(path);
    folder.writePublic('trust-bundle.pem', 'one');
    folder.writePublic('trust-bundle.pem', 'two');
    expect(readFileSync(folder.file('trust-bundle.pem'), 'utf8')).toBe('two');
    expect(statSync(folder.file('trust-bundle.pem')).mode & 0o777).toBe(0o644);
    folder.close();
  });
});
