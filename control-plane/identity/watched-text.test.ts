import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { WatchedText } from './watched-text.ts';

describe('WatchedText', () => {
  it('tells what is new, and a fault once until it is mended', () => {
    let text = 'one';
    let fault = '';
    const used: string[] = [];
    let logged = '';
    const log = pino(new Writable({ write: (chunk: Buffer, _, done) => ((logged += chunk.toString()), done()) }));
    const watched = new WatchedText(
      () => {
        if (fault !== '') throw new Error(fault);
        return text;
      },
      (next) => {
        if (next === 'bad') throw new Error('it is bad');
        used.push(next);
      },
    );
    watched.check(log);
    text = 'two';
    watched.check(log);
    watched.check(log);
    expect(used).toEqual(['one', 'two']);
    fault = 'it is gone';
    watched.check(log);
    watched.check(log);
    fault = '';
    text = 'bad';
    watched.check(log);
    watched.check(log);
    expect(logged.match(/it is gone; what was there before stays in force/g)).toHaveLength(1);
    expect(logged.match(/it is bad/g)).toHaveLength(1);
    text = 'three';
    watched.check(log);
    expect(used).toEqual(['one', 'two', 'three']);
  });

  it('throws the first fault', () => {
    expect(
      () =>
        new WatchedText(
          () => '',
          () => {
            throw new Error('no');
          },
        ),
    ).toThrow('no');
  });
});
