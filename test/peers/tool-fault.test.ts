import { expect, test } from 'vitest';
import { type ToolEnd, toolFault } from './tool-fault.ts';

const minuteMs = 60_000;
const told = (end: Partial<ToolEnd>): string =>
  toolFault('go install', { message: 'Command failed: go install\nmore', ...end }, 20 * minuteMs);
const downloads = Array.from({ length: 40 }, (_, index) => `go: downloading example.com/m${index} v1.0.0\n`).join('');

test('of all that a tool said it is the last, without its progress, wherever that stands', () => {
  const stderr = `first\n${downloads}# example.com/p\n./a.go:1:2: undefined: b\n${downloads}`;
  expect(told({ code: 1, stderr })).toBe('go install ended with 1: first · # example.com/p · ./a.go:1:2: undefined: b');
  const many = Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n');
  expect(told({ code: 2, stderr: many })).toBe(
    'go install ended with 2: line 25 · line 26 · line 27 · line 28 · line 29',
  );
});

test('who said why on standard output only is heard too', () => {
  expect(told({ code: 100, stderr: downloads, stdout: 'E: no space left\n' })).toBe(
    'go install ended with 100: E: no space left',
  );
});

test('who was ended in the middle of its progress says that, and by whom', () => {
  expect(told({ killed: true, signal: 'SIGTERM', code: null, stderr: downloads })).toBe(
    'go install was ended, as it took longer than 20 minutes, without a word of why',
  );
  expect(told({ signal: 'SIGKILL', code: null, stderr: downloads })).toBe(
    'go install was ended by SIGKILL, without a word of why',
  );
  expect(told({ code: 'ENOENT', message: 'spawn go ENOENT' })).toBe(
    'go install could not be run (spawn go ENOENT), without a word of why',
  );
});
