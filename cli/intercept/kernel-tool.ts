/** Runs iptables, nft and ip, and says what is wrong in the user's words when one fails. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { UserError } from '../user-error.ts';

/** One command that changes something. */
export interface Step {
  /** For people. */
  readonly what: string;
  readonly words: readonly string[];
  /** What it reads. */
  readonly input?: string;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that waits for a lock for ever is none that ends. */
const timeoutMs = 30_000;
/** Users' PATHs may lack these. */
const folders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
const path = (): string => [process.env['PATH'] ?? '', ...folders].join(delimiter);

export function hasTool(program: string): boolean {
  return path()
    .split(delimiter)
    .some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK);
        return folder !== '';
      } catch {
        return false;
      }
    });
}

/** Throws a UserError when there is no such program. */
export function runTool(words: readonly string[], input = ''): Outcome {
  const [program = '', ...rest] = words;
  const env = { ...process.env, PATH: path(), LC_ALL: 'C' };
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    input,
    env,
    encoding: 'utf8',
    timeout: timeoutMs,
    maxBuffer: 64 << 20,
  });
  if (error !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT')
    throw new UserError(`${program} is not here; ${packageAdvice(program)}`);
  return {
    code: status ?? -1,
    stdout: stdout ?? '',
    stderr: error === undefined ? stderr : `${stderr}${error.message}`,
  };
}

/** Throws a UserError that says what, why, and what to do. */
export function runStep({ what, words, input }: Step): void {
  const { code, stderr } = runTool(words, input);
  if (code !== 0) throw new UserError(`${what}: ${faultText(words, stderr)}`);
}

/** What went wrong, and the next step. */
export function faultText(words: readonly string[], stderr: string): string {
  const program = words[0] ?? '';
  const lines = stderr.split('\n').map((line) => line.trim());
  const said =
    lines.find(
      (line) =>
        /error|denied|not permitted|no such|unsupported|can't|cannot|does not exist|missing|failed/i.test(line) &&
        !/^#|^Try|Warning:/.test(line),
    ) ??
    lines.find((line) => line !== '') ??
    'it failed without a word';
  return `${program} says: ${said}${advice(program, stderr)}`;
}

function advice(program: string, stderr: string): string {
  if (/permission denied|not permitted|must be root/i.test(stderr))
    return '; run it as root, or give the container the capabilities NET_ADMIN and NET_RAW';
  if (/incompatible, use 'nft' tool/i.test(stderr))
    return '; another program has made that table with nft in a way that iptables cannot read: use --backend nftables';
  if (/xtables lock|Resource temporarily unavailable/i.test(stderr))
    return '; another program changes rules: try again';
  if (/read-only file system.*lock|xtables\.lock/i.test(stderr))
    return '; iptables-legacy wants to write /run/xtables.lock: set XTABLES_LOCKFILE to a file that can be written, or use --backend nftables';
  if (/Nexthop device is not up|Network is down/i.test(stderr))
    return '; the loopback interface is down: ip link set lo up';
  if (
    /missing kernel module|No chain\/target\/match|insmod|Couldn't load|not supported|No such file or directory|does not exist/i.test(
      stderr,
    )
  )
    return `; the kernel lacks a module: modprobe ${modulesOf(program, stderr).join(' ')} on the host${program === 'nft' ? ', or use --backend iptables' : ', or use --backend nftables'}`;
  return '';
}

function modulesOf(program: string, stderr: string): readonly string[] {
  const named = [...stderr.matchAll(/\b(?:Extension|match|target) [`'"]?([A-Za-z_]+)/g)].map(
    (match) => `xt_${match[1]}`,
  );
  if (named.length > 0) return [...new Set(named)];
  if (program === 'nft') return ['nf_tables', 'nft_chain_nat', 'nft_redir', 'nft_ct', 'nft_fib_inet', 'nft_tproxy'];
  if (program.startsWith('ip6')) return ['ip6table_nat', 'ip6table_mangle', 'xt_REDIRECT', 'xt_owner', 'xt_TPROXY'];
  return ['iptable_nat', 'iptable_mangle', 'xt_REDIRECT', 'xt_owner', 'xt_TPROXY'];
}

function packageAdvice(program: string): string {
  if (program.startsWith('ip6tables') || program.startsWith('iptables'))
    return 'install the package iptables, or use --backend nftables';
  if (program === 'nft') return 'install the package nftables, or use --backend iptables';
  if (program === 'ip') return 'install the package iproute2 (busybox has too little of it)';
  return 'install the package util-linux';
}

/** For a shell: all of them, up to the first that fails. */
export function stepScript(steps: readonly Step[]): string {
  return `set -e\n${steps.map(stepText).join('\n')}`;
}

/** As a shell takes it. */
function stepText({ what, words, input }: Step): string {
  const command = words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
  return input === undefined ? `# ${what}\n${command}\n` : `# ${what}\n${command} <<'END'\n${input}END\n`;
}
