import { expect, it } from 'vitest';
import { bytesText, durationMs, fromNow, msText, rateText, shareText } from './words.ts';

it('rates', () => {
  expect([0, 0.01, 2, 99.94, 1234.5].map(rateText)).toEqual(['0/s', '< 0.1/s', '2.0/s', '99.9/s', '1,235/s']);
});

it('durations', () => {
  expect([null, 0, 0.004, 0.42, 0.9, 0.996, 3.14, 9.96, 12.3, 9_999, 12_345].map(msText)).toEqual([
    '–',
    '0 ms',
    '< 0.01 ms',
    '0.42 ms',
    '0.9 ms',
    '1 ms',
    '3.1 ms',
    '10.0 ms',
    '12 ms',
    '9999 ms',
    '12.3 s',
  ]);
});

it('shares are never rounded to all or nothing', () => {
  expect([
    shareText(0, 10),
    shareText(1, 100_000),
    shareText(1, 3),
    shareText(99_999, 100_000),
    shareText(3, 3),
    shareText(0, 0),
  ]).toEqual(['0 %', '< 0.1 %', '33.3 %', '> 99.9 %', '100 %', '–']);
});

it('sizes and times', () => {
  expect([12, 2_048, 3 * 1024 * 1024].map(bytesText)).toEqual(['12 B', '2.0 KiB', '3.0 MiB']);
  expect([fromNow(100_000, 0), fromNow(0, 300_000), fromNow(86_400_000, 0), fromNow(10 * 86_400_000, 0)]).toEqual([
    'in 100 s',
    '5 min ago',
    'in 24 h',
    'in 10 d',
  ]);
});

it('durations of protobuf', () => {
  expect([durationMs('0.005200s'), durationMs('3s'), durationMs(undefined), durationMs('soon')]).toEqual([
    5.2,
    3_000,
    null,
    null,
  ]);
});
