/** The scripts in the shells themselves: what they offer at the end of a line. Those of zsh and fish where these are installed. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../commands/test/command-output.ts';
import { program } from '../program.ts';
import { completionScript, type Shell } from './completion-script.ts';
import { completionTree } from './completion-tree.ts';

const folder = temporaryFolder('completion');
writeFileSync(join(folder, 'mesh.yaml'), '');

function script(shell: Shell): string {
  const file = join(folder, `outrigger.${shell}`);
  writeFileSync(file, completionScript(shell, program()));
  return file;
}

function run(shell: Shell, flags: readonly string[], text: string): string {
  const { stdout, stderr, status } = spawnSync(shell, [...flags, '-c', text], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

const lines = (text: string): string[] => [...new Set(text.split('\n').filter((line) => line !== ''))].sort();

/** bash itself makes words of = and : (COMP_WORDBREAKS). */
function inBash(line: string): string[] {
  const words = line.split(/ +|(?=[=:])|(?<=[=:])/);
  const array = words.map((word) => `'${word}'`).join(' ');
  return lines(
    run(
      'bash',
      ['--norc', '--noprofile'],
      `source ${script('bash')}; COMP_WORDS=(${array}); COMP_CWORD=${words.length - 1}; _outrigger; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ),
  );
}

function inFish(line: string): string[] {
  return lines(run('fish', ['-N'], `source ${script('fish')}; complete -C '${line}'`).replaceAll(/\t.*/g, ''));
}

/** A shell on a terminal of its own, in which Tab is pressed as soon as it reads keys; what is offered to its completion system is written down. */
function inZsh(line: string): string[] {
  const offered = join(folder, 'offered');
  writeFileSync(offered, '');
  const note = `compadd() { if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi; local -a hits; builtin compadd -A hits "$@"; print -rl -- $hits >> ${offered}; builtin compadd "$@" }`;
  const begin = join(folder, 'begin.zsh');
  writeFileSync(
    begin,
    `PROMPT=; autoload -Uz compinit; compinit -D -u; source ${script('zsh')}\n${note}\nsetopt no_beep\nzle-line-init() { print READY }\nzle -N zle-line-init\n`,
  );
  const text = `zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'source ${begin}'; zpty -r -m z _ '*READY*'; zpty -w -n z '${line}'$'\\t\\x15'; zpty -w z 'print EN""DED'; zpty -r -m z _ '*ENDED*'; zpty -d z`;
  run('zsh', ['-f'], text);
  return lines(spawnSync('cat', [offered], { encoding: 'utf8' }).stdout);
}

const kinds = ['bootstrap', 'clusters', 'endpoints', 'listeners', 'routes', 'secrets'];
const shellsHere: ReadonlyArray<readonly [Shell, (line: string) => string[]]> = [
  ['bash', inBash],
  ['fish', inFish],
  ['zsh', inZsh],
];

describe.each(shellsHere)('%s', (shell, complete) => {
  const missing = spawnSync(shell, ['-c', 'true']).status !== 0;

  test.skipIf(missing)(`${shell} completes commands, and those below them`, () => {
    expect(complete('outrigger st')).toEqual(['stats', 'status']);
    expect(complete('outrigger identity token ')).toEqual(['create', 'list', 'revoke']);
    expect(complete('outrigger config d')).toEqual(['diff']);
  });

  test.skipIf(missing)(`${shell} completes flags of the command at hand, under their new names`, () => {
    expect(complete('outrigger config diff --n')).toEqual(['--name']);
    expect(complete('outrigger check --sid')).toEqual(['--sidecar-admin']);
    expect(complete('outrigger get services --adm')).toEqual([]);
    expect(complete('outrigger sidecar --join')).toEqual(['--join-token', '--join-token-file']);
  });

  test.skipIf(missing)(
    `${shell} completes what a flag or an argument may be, behind other flags and their values too`,
    () => {
      expect(complete('outrigger config --type ')).toEqual(kinds);
      expect(complete('outrigger get --control-plane-admin 127.0.0.1:1 p')).toEqual(['policies', 'proxies']);
      expect(complete('outrigger check --admin 127.0.0.1:15014 --output y')).toEqual(['yaml']);
      expect(complete('outrigger logs level d')).toEqual(['debug']);
    },
  );

  test.skipIf(missing)(`${shell} completes files and folders where one is meant`, () => {
    expect(complete('outrigger validate me')).toEqual(['mesh.yaml']);
    expect(complete('outrigger control-plane --config me')).toEqual(['mesh.yaml']);
    expect(complete('outrigger stats me')).toEqual([]);
  });
});

test('bash: a value behind = is one too', () => {
  expect(inBash('outrigger config --type=')).toEqual(kinds);
  expect(inBash('outrigger config --type=r')).toEqual(['routes']);
  expect(inBash('outrigger stats --admin=127.0.0.1:15000 --fil')).toEqual(['--filter']);
});

test('every command and every flag is there, the sidecar’s own too', () => {
  const tree = completionTree(program());
  for (const path of ['', 'sidecar', 'identity token create', 'intercept install', 'completion'])
    expect(tree.find((command) => command.path === path)?.flags.length).toBeGreaterThan(0);
  const sidecar = tree.find(({ path }) => path === 'sidecar')!;
  expect(sidecar.flags.find(({ names }) => names[0] === '--egress')?.value).toEqual({
    kind: 'words',
    words: ['allow', 'registry-only'],
  });
  expect(sidecar.flags.find(({ names }) => names[0] === '--no-register')?.value).toBeNull();
});
