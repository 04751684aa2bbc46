import { expect, test } from 'vitest';
import { booleanFromEnvironment, environmentName, inTheirWords, valueFromEnvironment } from './environment.ts';
import { UserError } from './user-error.ts';

test("a flag's variable is OUTRIGGER_<FLAG>", () => {
  expect(environmentName('app-port')).toBe('OUTRIGGER_APP_PORT');
});

test('an empty variable is none, as scripts write it for what they do not know', () => {
  expect(valueFromEnvironment('zone', { OUTRIGGER_ZONE: '' })).toBeUndefined();
  expect(valueFromEnvironment('zone', { OUTRIGGER_ZONE: 'a' })).toBe('a');
  expect(valueFromEnvironment('zone', {})).toBeUndefined();
});

test.each([
  ...['1', 'true', 'yes', 'on', 'True', 'YES'].map((text) => [text, true] as const),
  ...['0', 'false', 'no', 'off', 'OFF'].map((text) => [text, false] as const),
  ['', false],
  [undefined, false],
] as const)('a switch whose variable is %j is %j', (text, value) => {
  expect(booleanFromEnvironment('no-register', { OUTRIGGER_NO_REGISTER: text })).toBe(value);
});

test.each(['2', 'maybe', ' '])('a switch whose variable is %j is refused, with what is accepted', (text) => {
  const read = (): unknown => booleanFromEnvironment('no-register', { OUTRIGGER_NO_REGISTER: text });
  expect(read).toThrow(
    new UserError(
      `OUTRIGGER_NO_REGISTER: ${JSON.stringify(text)} is neither 1, true, yes or on, nor 0, false, no or off`,
      2,
    ),
  );
  expect(read).toThrow(expect.objectContaining({ exitCode: 2 }));
});

test('a fault in what a variable says names the variable, and no flag that nobody typed', () => {
  const variables = new Map([['mode', 'OUTRIGGER_MODE']]);
  expect(inTheirWords('--mode: "x" is not known; --mode-of and --netns stay, as a--mode does', variables)).toBe(
    'OUTRIGGER_MODE: "x" is not known; --mode-of and --netns stay, as a--mode does',
  );
});
