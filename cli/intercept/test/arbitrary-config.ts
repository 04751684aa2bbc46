/** Any configuration that makes sense, for property tests: by the flags, as users write it. */
import fc from 'fast-check';
import { UserError } from '../../user-error.ts';
import { type InterceptConfig, parseInterceptConfig } from '../intercept-config.ts';

const list = (of: fc.Arbitrary<string>, whole: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant(whole) },
    { weight: 3, arbitrary: fc.array(of, { minLength: 1, maxLength: 20 }).map((words) => words.join(',')) },
  );
// Few of them, so that they meet.
const port = fc.integer({ min: 1, max: 60 }).map((at) => String(at * 7));
const ports = fc.oneof(
  port,
  fc
    .tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 50 }))
    .map(([from, size]) => `${from}-${from + size}`),
);
const range = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 6, max: 32 }))
    .map(([a, bits]) => `10.${a}.0.${a}/${bits}`),
  fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 6, max: 128 }))
    .map(([a, bits]) => `fd0${a}::${a}/${bits}`),
);
const id = fc.integer({ min: 1, max: 6 }).map((at) => String(1336 + at));

export const arbitraryConfig: fc.Arbitrary<InterceptConfig> = fc
  .record({
    mode: fc.constantFrom('redirect', 'tproxy'),
    ipv6: fc.constantFrom('on', 'off'),
    'dns-port': fc.constantFrom('off', '15053'),
    'health-port': fc.constantFrom('off', '15020', '49'),
    'proxy-uid': list(id, '1337'),
    'proxy-gid': list(id, 'none'),
    'proxy-mark': fc.constantFrom('none', '1337', '7,8'),
    'include-outbound-ports': list(ports, 'all'),
    'exclude-outbound-ports': list(ports, 'none'),
    'include-outbound-ranges': list(range, 'all'),
    'exclude-outbound-ranges': list(range, 'none'),
    'include-inbound-ports': fc.oneof(list(ports, 'all'), fc.constant('none')),
    'exclude-inbound-ports': list(ports, 'none'),
    'include-inbound-ranges': list(range, 'all'),
    'exclude-inbound-ranges': list(range, 'none'),
    'exclude-interfaces': fc.constantFrom('none', 'docker0', 'docker0,br-*'),
    'exclude-uids': list(id, 'none'),
    'exclude-gids': list(id, 'none'),
  })
  .map((flags) => {
    try {
      return parseInterceptConfig(flags);
    } catch (error) {
      if (error instanceof UserError) return null;
      throw error;
    }
  })
  .filter((config) => config !== null);
