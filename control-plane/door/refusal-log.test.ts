import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { RefusalLog } from './refusal-log.ts';

it('RefusalLog takes so many lines a second, and says how many it did not', () => {
  let logged = '';
  const sink = new Writable({ write: (chunk: Buffer, _, done) => ((logged += chunk.toString()), done()) });
  let passSecond = (): void => {};
  const log = new RefusalLog(pino(sink), (_, callback) => ((passSecond = callback), () => {}));
  for (let count = 0; count < 50; count++) log.next()?.info('refused');
  expect(logged.match(/"refused"/g)).toHaveLength(20);
  passSecond();
  expect(logged).toContain('30 more calls were refused');
  log.next()?.info('refused');
  passSecond();
  expect(logged.match(/"refused"/g)).toHaveLength(21);
  expect(logged.match(/more calls/g)).toHaveLength(1);
});
