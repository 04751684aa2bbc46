import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IssuingLog } from './issuing-log.ts';
import { readIssued } from './read-issued.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-issued-'));
  path = join(folder, 'issuing.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

const lifeMs = 1000;

function write(timesMs: readonly number[], options: { readonly maxBytes?: number; readonly keptFiles?: number } = {}) {
  const log = new IssuingLog(path, options);
  for (const timeMs of timesMs)
    log.append({
      timeMs,
      serial: `${timeMs}`,
      spiffeId: 'spiffe://td/x',
      notAfterMs: timeMs + lifeMs,
      authorityId: 'a',
      proof: 'certificate',
      peer: '10.0.0.1:1',
      holder: timeMs % 2 === 0 ? 'even' : '',
    });
  log.close();
}

const read = (nowMs: number, keptFiles?: number) => readIssued(path, nowMs, lifeMs, keptFiles);
const serials = (nowMs: number, keptFiles?: number): string[] =>
  read(nowMs, keptFiles)
    .issued.map(({ serial }) => serial)
    .sort();

describe('readIssued', () => {
  it('gives the leaves that have not expired, and not the control plane’s own', () => {
    write([10, 500, 501, 600]);
    expect(read(1500)).toEqual({
      issued: [{ holder: 'even', identity: 'spiffe://td/x', serial: '600', notAfterMs: 1600, authorityId: 'a' }],
      complete: true,
    });
  });

  it('goes back over full files as far as leaves live, and says when there were more', () => {
    const timesMs = Array.from({ length: 12 }, (_, index) => 100 + index * 2);
    write(timesMs, { maxBytes: 600, keptFiles: 2 });
    expect(read(130, 2).complete).toBe(false);
    expect(serials(130, 2).length).toBeGreaterThan(4);
    expect(serials(130, 2).at(-1)).toBe('122');
    expect(read(2000, 2)).toEqual({ issued: [], complete: true });
  });

  it('says that it does not know when the log is gone', () => {
    expect(read(0)).toEqual({ issued: [], complete: false });
  });

  it('passes over lines that are cut off or not ours, and takes those from before holders were written', () => {
    write([100]);
    appendFileSync(path, '{"serial":"cut\nnull\n[]\n{"time":"x","serial":"1","spiffe_id":"a","authority":"a"}\n');
    const old = { time: new Date(102).toISOString(), serial: 's', spiffe_id: 'spiffe://td/y', authority: 'a' };
    const not_after = new Date(2000).toISOString();
    appendFileSync(path, `${JSON.stringify({ ...old, not_after, proof: 'join_token' })}\n`);
    appendFileSync(path, `${JSON.stringify({ ...old, not_after, proof: 'control_plane' })}\n`);
    expect(read(200).issued.map(({ holder }) => holder)).toEqual(['even', 's']);
  });

  it('refuses a file that others may read', () => {
    writeFileSync(path, '', { mode: 0o644 });
    expect(() => read(0)).toThrow('open to other users');
  });
});
