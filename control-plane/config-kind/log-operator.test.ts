import { describe, expect, test } from 'vitest';
import { compileTextFormat } from '../../sidecar/access-log/log-format.ts';
import { logOperators } from '../../sidecar/access-log/log-operators.ts';
import { logFormatFault } from './log-operator.ts';

const argumentsTried = [
  ...['', '()', '(X-A)', '(X-A?:PATH)', '(?X)', '(a:b)', '(a::b)', '(:)', '(a:)'],
  ...['(CAMEL_STRING)', '(NUMBER)', '(FOO)', '(ALLOW_WHITESPACES)', '(0)', '(24)', '(128)', '(129)', '(999)', '(-1)'],
  ...[
    '(WQ)',
    '(NQ:ORIG)',
    '(:PATH)',
    '(WQ:FOO)',
    '(WQ:PATH:x)',
    '(SNI_FIRST)',
    '(SNI_FIRST:HOST)',
    '(HOST_FIRST:PATH)',
  ],
  ...['(DS_RX_BEG:DS_TX_END:us)', '(DS_RX_BEG:DS_TX_END)', '(DS_RX_BEG:DS_TX_END:)', '(DS_RX_BEG:X:ms)'],
  ...[
    '(%Y-%m-%dT%H:%M:%E3S)',
    '(%s.%9f %f %E*S %E4Y %Ez %E*z %ET %%)',
    '(%Q)',
    '(%)',
    '(%E0S)',
    '(%EQ)',
    '(%0f)',
    '(%L)',
  ],
];

/** A sidecar looks for any header, and finds none where it is none. */
const isOfHeaders = (argument: string): boolean => /^(?:\((?::?[\w-]+)?(?:\?:?[\w-]+)?\))?$/.test(argument);

function sidecarTakes(format: string): boolean {
  try {
    compileTextFormat(format);
    return true;
  } catch {
    return false;
  }
}

describe('operators of access logs', () => {
  test.each(Object.keys(logOperators))('%s is taken and refused with the same arguments as by a sidecar', (name) => {
    const tried = logOperators[name]!.takes === 'NAME?OTHER' ? argumentsTried.filter(isOfHeaders) : argumentsTried;
    const formats = tried.map((argument) => `%${name}${argument}%`);
    expect(formats.filter((format) => logFormatFault(format) === null)).toEqual(formats.filter(sidecarTakes));
    expect(formats.filter(sidecarTakes)).not.toEqual([]);
  });

  test('every letter of times but n is taken and refused as by a sidecar', () => {
    const formats = [...'abcdefghijklmopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].map((each) => `%START_TIME(%${each})%`);
    expect(formats.filter((format) => logFormatFault(format) === null)).toEqual(formats.filter(sidecarTakes));
  });

  test.each([
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(999)%', 'takes a number of bits, from 0 to 128'],
    ['%START_TIME(%Q)%', 'START_TIME has a time specifier that is not known'],
    ['%GRPC_STATUS(FOO)%', 'GRPC_STATUS takes CAMEL_STRING, SNAKE_STRING, NUMBER, not FOO'],
    ['%PROTOCOL(x)%', 'PROTOCOL takes nothing in parentheses'],
    ['%REQ%', 'REQ needs the name of a header'],
    ['%COMMON_DURATION(DS_RX_BEG)%', 'needs two points and a unit: START:END:ms'],
    ['%REQ(X):abc%', 'behind the colon stands how many characters there are at most: %REQ(…):10%'],
    ['%REQ(X):%', 'behind the colon stands how many characters'],
  ])('%s is refused with what is accepted', (format, fault) => {
    expect(logFormatFault(`a ${format} b`)).toContain(`has ${format}, but `);
    expect(logFormatFault(format)).toContain(fault);
  });

  test('what a sidecar takes and an Envoy refuses is refused', () => {
    expect(logFormatFault('%REQ(A?B?C)%')).toContain('takes two names at most');
    expect(logFormatFault('%PROTOCOL:4%')).toContain('nothing may stand behind a colon of PROTOCOL');
    expect(logFormatFault('%REQ(a b)%')).toContain('a b is not the name of a header');
    expect(logFormatFault('%RESP(X?a:b)%')).toContain('a:b is not the name of a header');
    expect(logFormatFault('%START_TIME(%H%n)%')).toContain('has a time specifier that is not known');
    expect(logFormatFault('%REQ(A?B):4% %PATH(NQ):80% %DYNAMIC_METADATA(a:b):4%')).toBeNull();
  });
});
