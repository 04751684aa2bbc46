import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { temporaryFolder } from '../commands/test/command-output.ts';
import { fileConfig } from './config-source.ts';

const folder = temporaryFolder('config-source');
const dump = {
  configs: [{ static_clusters: [{ cluster: { name: 'b', type: 'EDS' } }, { cluster: { name: 'a', type: 'EDS' } }] }],
};

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('a file is a dump or what the command itself printed, JSON or YAML', () => {
  const found = fileConfig(file('dump.json', JSON.stringify(dump)));
  expect(found.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(fileConfig(file('dump.yaml', stringify(dump)))).toEqual(found);
  expect(fileConfig(file('list.yaml', stringify(found)))).toEqual(found);
});

test('a file that is none of it is refused by its name, with what makes one', () => {
  for (const text of ['', 'a: [', '{"a": 1}', 'a: 1\n---\nb: 2\n', '[{"kind": "x"}]'])
    expect(() => fileConfig(file('bad.yaml', text))).toThrow(
      /bad\.yaml: is no configuration; make one by outrigger config -o json/,
    );
  expect(() => fileConfig(join(folder, 'none'))).toThrow('there is no such file');
});
