/** The list of flags against what the source writes, and against the page that is made of it. That each is provoked: test/integration/response-flags.test.ts. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { replyGrpcStatus, replyStatus } from '../connection-manager/local-reply.ts';
import { ProxyError } from './proxy-error.ts';
import { type ResponseFlag, responseFlags } from './response-flag.ts';
import { withTable } from './response-flags-page.ts';

const folder = join(import.meta.dirname, '..');

test('docs/response-flags.md has the table (else: node sidecar/codec/print-response-flags.ts)', () => {
  const page = readFileSync(join(folder, '../docs/response-flags.md'), 'utf8');
  expect(page).toBe(withTable(page));
});

test('each flag of the list is written somewhere, and none that is not in it', () => {
  const source = globSync('**/*.ts', { cwd: folder })
    .filter((file) => !/^xds\/api\/|test|response-flag/.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
  const written = new Set(
    [...source.matchAll(/(?:\bflag: |[Ff]lag = |'|,|\? )'?([A-Z]{2,5})'/g)].map(([, flag]) => flag!),
  );
  for (const flag of Object.keys(responseFlags)) expect(written, flag).toContain(flag);
  const named = [...source.matchAll(/\bflag: '([A-Z]+)'/g)].map(([, flag]) => flag!);
  expect(named.length).toBeGreaterThan(40);
  for (const flag of named) expect(Object.keys(responseFlags)).toContain(flag);
});

test.each(Object.entries(responseFlags).filter(([, { status }]) => status !== null))(
  '%s: the statuses of the list are those of an answer that says no other',
  (flag, { status, grpcStatus }) => {
    const error = new ProxyError({ flag: flag as ResponseFlag, source: 'local', details: 'x', message: 'x' });
    expect([replyStatus(error), replyGrpcStatus(error)]).toEqual([status, grpcStatus]);
  },
);
