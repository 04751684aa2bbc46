/** A machine of a test's own for `outrigger run --intercept`: a network namespace with a name server on its loopback, and programs in it. Touches nothing of the real host's network; gone with `remove` or with the process. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { outriggerProgram, peer } from './programs.ts';

/** Answers `outside.example` and nothing else, as a machine's own resolver does on its loopback. */
const nameServer = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (question, from) => {
  const known = question.toString('latin1').toLowerCase().includes('\\x07outside\\x07example\\x00\\x00\\x01');
  const answer = Buffer.concat([question.subarray(0, 12), question.subarray(12)]);
  answer.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
  answer.writeUInt16BE(known ? 1 : 0, 6);
  const end = known ? Buffer.from('c00c000100010000003c0004c6130001', 'hex') : Buffer.alloc(0);
  answer.writeUInt16BE(0, 10);
  const plain = answer.subarray(0, 12 + question.subarray(12).indexOf(0) + 5);
  socket.send(Buffer.concat([plain, end]), from.port, from.address);
});
socket.bind(53, '127.0.0.53', () => console.log('serving'));
`;

let made = 0;
const hosts = new Set<OwnHost>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const host of hosts) host.remove();
});

export class OwnHost {
  readonly name = `outrigger-${process.pid}-run${made++}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'outrigger-own-host-'));
  readonly #environment: NodeJS.ProcessEnv;
  readonly #programs = new Set<HostProgram>();

  constructor() {
    hosts.add(this);
    const folders = (['nft', 'ip'] as const).map((tool) => dirname(peer(tool)));
    this.#environment = {
      ...process.env,
      PATH: [...new Set(folders), process.env['PATH']].join(delimiter),
      XDG_STATE_HOME: join(this.folder, 'state'),
    };
    // What `ip netns exec` puts in the place of /etc/resolv.conf.
    mkdirSync(`/etc/netns/${this.name}`, { recursive: true });
    writeFileSync(`/etc/netns/${this.name}/resolv.conf`, 'nameserver 127.0.0.53\n');
    execFileSync('ip', ['netns', 'add', this.name]);
    execFileSync('ip', ['-n', this.name, 'link', 'set', 'lo', 'up']);
    // As most machines have it; a new namespace has what the real host has.
    this.run('sysctl', '-qw', 'net.ipv4.ip_forward=0');
  }

  async startNameServer(): Promise<void> {
    await this.start(process.execPath, '-e', nameServer).said('serving');
  }

  start(...words: string[]): HostProgram {
    const program = new HostProgram(
      spawn('ip', ['netns', 'exec', this.name, ...words], {
        env: this.#environment,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
    this.#programs.add(program);
    return program;
  }

  outrigger(...words: string[]): HostProgram {
    return this.start(outriggerProgram, ...words);
  }

  /** Its output. */
  run(...words: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name, ...words], { env: this.#environment, encoding: 'utf8' });
  }

  remove(): void {
    if (!hosts.delete(this)) return;
    for (const { child } of this.#programs) child.kill('SIGKILL');
    try {
      execFileSync('ip', ['netns', 'del', this.name], { stdio: 'ignore' });
    } catch {
      // It was never made.
    }
    rmSync(`/etc/netns/${this.name}`, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class HostProgram {
  readonly child: ChildProcess;
  readonly ended: Promise<number>;
  output = '';

  constructor(child: ChildProcess) {
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text: Buffer) => (this.output += text));
    this.ended = new Promise((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  }

  /** Resolves when it has written that. */
  async said(text: string): Promise<void> {
    const over = this.ended.then(() => {
      if (!this.output.includes(text))
        throw new Error(`it ended without saying ${JSON.stringify(text)}:\n${this.output}`);
    });
    while (!this.output.includes(text)) await Promise.race([new Promise((resolve) => setTimeout(resolve, 20)), over]);
  }
}
