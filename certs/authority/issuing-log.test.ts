import fs, {
  chmodSync,
  fstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IssuingLog, type IssuingRecord } from './issuing-log.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-log-'));
  path = join(folder, 'issuing.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

function record(serial: string, peer = '10.0.0.1:1'): IssuingRecord {
  return {
    timeMs: 0,
    serial,
    spiffeId: 'spiffe://td/x',
    notAfterMs: 1000,
    authorityId: 'a',
    proof: 'certificate',
    peer,
    holder: 'h',
  };
}

describe('IssuingLog', () => {
  it('appends to what is there, and starts a new line after a crash in the middle of one', () => {
    writeFileSync(path, '{"serial":"cut', { mode: 0o600 });
    for (const serial of ['1', '2']) {
      const log = new IssuingLog(path);
      log.append(record(serial));
      log.close();
    }
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.slice(1).map((line) => (JSON.parse(line) as IssuingRecord).serial)).toEqual(['1', '2']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('keeps so many files of so many bytes, the newest first', () => {
    const log = new IssuingLog(path, { maxBytes: 450, keptFiles: 2 });
    for (let index = 0; index < 20; index++) log.append(record(`${index}`));
    log.close();
    expect(readdirSync(folder).sort()).toEqual(['issuing.log', 'issuing.log.1', 'issuing.log.2']);
    const serials = ['.2', '.1', ''].flatMap((end) => {
      expect(statSync(path + end).size).toBeLessThanOrEqual(450);
      return readFileSync(path + end, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => Number((JSON.parse(line) as IssuingRecord).serial));
    });
    expect(serials).toEqual(Array.from({ length: serials.length }, (_, index) => 20 - serials.length + index));
  });

  it('syncs once more for the lines that came while a sync was under way, and not without new ones', () => {
    const syncs: Array<() => void> = [];
    const log = new IssuingLog(path, { sync: (_, done) => syncs.push(done) });
    for (let index = 0; index < 5; index++) log.append(record(`${index}`));
    expect(syncs).toHaveLength(1);
    syncs[0]!();
    expect(syncs).toHaveLength(2);
    syncs[1]!();
    expect(syncs).toHaveLength(2);
    log.close();
  });

  it('closes no file that a sync is under way of, neither when it is full nor at the end', () => {
    const syncs: Array<readonly [descriptor: number, done: () => void]> = [];
    const log = new IssuingLog(path, { maxBytes: 250, sync: (descriptor, done) => syncs.push([descriptor, done]) });
    log.append(record('1'));
    log.append(record('2'));
    const [full, done] = syncs[0]!;
    expect(() => fstatSync(full)).not.toThrow();
    done();
    expect(() => fstatSync(full)).toThrow('EBADF');
    const [last, lastDone] = syncs[1]!;
    log.close();
    expect(() => fstatSync(last)).not.toThrow();
    lastDone();
    expect(() => fstatSync(last)).toThrow('EBADF');
    expect(syncs).toHaveLength(2);
  });

  it('begins a new line after one that could not be written to its end', () => {
    const log = new IssuingLog(path);
    log.append(record('1'));
    const { writeSync } = fs;
    let full = false;
    fs.writeSync = ((descriptor: number, bytes: Buffer, from: number) => {
      if (full) throw new Error('ENOSPC');
      full = true;
      return writeSync(descriptor, bytes, from, 10);
    }) as typeof writeSync;
    syncBuiltinESMExports();
    expect(() => log.append(record('2'))).toThrow('nothing is issued that is not logged');
    fs.writeSync = writeSync;
    syncBuiltinESMExports();
    log.append(record('3'));
    log.append(record('4'));
    log.close();
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => line.length > 10)).toEqual([true, false, true, true]);
    expect((JSON.parse(lines[2]!) as IssuingRecord).serial).toBe('3');
  });

  it('escapes control characters, so that one certificate is one line that no terminal obeys', () => {
    const log = new IssuingLog(path);
    log.append(record('1', 'a\n\u001b[2J\u009b\u007f'));
    log.close();
    expect(readFileSync(path, 'utf8')).toMatch(/"peer":"a\\n\\u001b\[2J\\u009b\\u007f","holder":"h"\}\n$/);
  });

  it('refuses a file that others may read', () => {
    writeFileSync(path, '');
    chmodSync(path, 0o644);
    expect(() => new IssuingLog(path)).toThrow('open to other users');
  });
});
