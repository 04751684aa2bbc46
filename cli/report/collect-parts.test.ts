import { expect, test } from 'vitest';
import { collectParts, type Part } from './collect-parts.ts';

const options = { timeoutMs: 50, maxPartBytes: 100, maxBytes: 150, nowMs: () => 0 };
const text = (name: string, content: string, kind: Part['kind'] = 'text'): Part => ({
  name,
  kind,
  take: () => content,
});

test('of what is too large the end of lines is taken, and nothing of a structure, which could not be looked through', async () => {
  const { files, parts } = await collectParts(
    [text('log', `${'x'.repeat(90)}\n${'y'.repeat(60)}\n`), text('dump', `{"a":"${'x'.repeat(200)}"}`, 'json')],
    options,
  );
  expect(parts.map(({ name, outcome }) => [name, outcome])).toEqual([
    ['log', 'cut'],
    ['dump', 'too large'],
  ]);
  expect(files.map(({ bytes }) => bytes.toString())).toEqual([`${'y'.repeat(60)}\n`]);
});

test('all together are bounded too', async () => {
  const { files, parts } = await collectParts([text('a', 'a'.repeat(100)), text('b', 'b'.repeat(100))], options);
  expect(files).toHaveLength(1);
  expect(parts[1]).toMatchObject({ outcome: 'too large', why: 'the report has no room for more' });
});

test('one that never ends is named, and told to stop', async () => {
  let stopped = false;
  const hanging: Part = {
    name: 'hangs',
    kind: 'text',
    take: (signal) => {
      signal.addEventListener('abort', () => (stopped = true));
      return new Promise(() => {});
    },
  };
  const { parts } = await collectParts([hanging, text('b', 'b')], options);
  expect(parts.map(({ outcome }) => outcome)).toEqual(['hung', 'taken']);
  expect(stopped).toBe(true);
});
