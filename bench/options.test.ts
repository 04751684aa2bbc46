import { describe, expect, it } from 'vitest';
import { readOptions, UsageError } from './options.ts';

describe('options of the benchmark', () => {
  const known = ['http1', 'http2'];

  it('takes everything by default, and the reports keep the order of the peers', () => {
    expect(readOptions([], known)).toMatchObject({
      quick: false,
      peers: ['outrigger', 'envoy', 'nginx', 'haproxy'],
      scenarios: [],
      timing: { rounds: 3 },
    });
    expect(readOptions(['--peers', 'envoy,outrigger'], known)).toMatchObject({ peers: ['outrigger', 'envoy'] });
  });

  it('makes windows short when quick, unless told otherwise', () => {
    expect(readOptions(['--quick'], known)).toMatchObject({ quick: true, timing: { windowSeconds: 1 }, starts: 1 });
    expect(readOptions(['--quick', '--window', '7'], known)).toMatchObject({ timing: { windowSeconds: 7 } });
  });

  it.each([
    [['--peers', 'apache'], /no peer apache; there are outrigger/],
    [['--scenarios', 'http1,http9'], /no scenario http9; there are http1, http2, start/],
    [['--rounds', '0'], /--rounds: "0" is not a whole number above 0/],
    [['--window', '1.5'], /--window: "1.5"/],
    [['--fast'], /--fast/],
  ])('refuses %j with what is accepted', (args, message) => {
    expect(() => readOptions(args, known)).toThrow(UsageError);
    expect(() => readOptions(args, known)).toThrow(message);
  });
});
