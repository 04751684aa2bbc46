/** What a command prints and the files it reads, for tests of one command. Called at the top of a test file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, vi } from 'vitest';

/** Of the test that runs. */
export interface CommandOutput {
  out: string;
  err: string;
}

export function captureOutput(): CommandOutput {
  const output: CommandOutput = { out: '', err: '' };
  beforeEach(() => {
    output.out = '';
    output.err = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((output.out += String(text)), true));
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((output.err += String(text)), true));
  });
  afterEach(() => vi.restoreAllMocks());
  return output;
}

/** Gone after the last test. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `outrigger-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
