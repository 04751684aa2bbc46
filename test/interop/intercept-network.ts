/** A pod and somebody outside, each a network namespace with a cable between, and the program `outrigger intercept` in the pod. Touches nothing of the host's network. */
import { execFileSync, spawnSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { outriggerProgram, peer } from './programs.ts';

export const addresses = {
  IPv4: { pod: '10.99.0.2', outside: '10.99.0.1', other: '10.99.1.1', service: '10.96.0.10' },
  IPv6: { pod: 'fd99::2', outside: 'fd99::1', other: 'fd99:1::1', service: 'fd96::10' },
} as const;

/** Prints what it hears, until the end. By UDP (port 53) one answer. With a user: as that. */
const callScript = `
const { host, port, uid, timeoutMs } = JSON.parse(process.argv[1]);
if (uid !== undefined) { process.setegid(uid); process.seteuid(uid); }
const end = (text) => { process.stdout.write(text); process.exit(0); };
setTimeout(() => end('no answer'), timeoutMs);
if (port === 'udp') {
  const socket = require('node:dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (message) => end(String(message)));
  socket.send('who?', 53, host);
} else {
  let heard = '';
  const socket = require('node:net').connect({ host, port });
  socket.on('data', (bytes) => (heard += bytes)).on('end', () => end(heard)).on('error', (error) => end(heard + error.code));
}
`;

let made = 0;
const networks = new Set<InterceptNetwork>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const network of networks) network.remove();
});

export class InterceptNetwork {
  readonly pod: string;
  readonly outside: string;
  /** The tools' folders first. */
  readonly path: string;

  constructor() {
    const name = `outrigger-${process.pid}-${made++}`;
    this.pod = `${name}-pod`;
    this.outside = `${name}-out`;
    const folders = (['iptables', 'nft', 'ip'] as const).map((tool) => dirname(peer(tool)));
    this.path = [...new Set(folders), process.env['PATH']].join(delimiter);
    networks.add(this);
    for (const namespace of [this.pod, this.outside]) {
      this.run(null, 'ip', 'netns', 'add', namespace);
      this.run(null, 'ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    }
    this.run(
      null,
      'ip',
      'link',
      'add',
      'name',
      'eth0',
      'netns',
      this.pod,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      this.outside,
    );
    const sides = [
      [this.pod, addresses.IPv4.pod, addresses.IPv6.pod],
      [this.outside, addresses.IPv4.outside, addresses.IPv6.outside],
    ] as const;
    for (const [namespace, ipv4, ipv6] of sides) {
      const ip = (...words: string[]): string => this.run(null, 'ip', '-n', namespace, ...words);
      // No address of the link's own, which would come a while later.
      ip('link', 'set', 'dev', 'eth0', 'addrgenmode', 'none');
      ip('addr', 'add', `${ipv4}/24`, 'dev', 'eth0');
      ip('addr', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad');
      ip('link', 'set', 'eth0', 'up');
    }
    this.run(null, 'ip', '-n', this.outside, 'addr', 'add', `${addresses.IPv4.other}/32`, 'dev', 'lo');
    this.run(null, 'ip', '-n', this.outside, 'addr', 'add', `${addresses.IPv6.other}/128`, 'dev', 'lo', 'nodad');
    this.run(null, 'ip', '-n', this.pod, 'route', 'add', 'default', 'via', addresses.IPv4.outside);
    this.run(null, 'ip', '-n', this.pod, '-6', 'route', 'add', 'default', 'via', addresses.IPv6.outside);
  }

  /** The words that run a command in there. */
  inside(namespace: string, command: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', namespace, ...command];
  }

  /** What it printed; throws when it fails. */
  run(namespace: string | null, ...command: readonly string[]): string {
    const words = namespace === null ? command : this.inside(namespace, command);
    return execFileSync(words[0]!, words.slice(1), {
      encoding: 'utf8',
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** `outrigger intercept …` in the pod. `path`: folders whose programs come first. */
  intercept(
    words: readonly string[],
    path = '',
  ): { readonly code: number; readonly stdout: string; readonly stderr: string } {
    const command = this.inside(this.pod, [outriggerProgram, 'intercept', ...words]);
    const env = this.#environment();
    if (path !== '') env['PATH'] = `${path}${delimiter}${env['PATH']}`;
    const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8', env });
    return { code: status ?? -1, stdout, stderr };
  }

  /** `outrigger intercept …` in the pod by another user, with no right at all and no way to get one. */
  interceptAs(uid: number, words: readonly string[]): { readonly code: number; readonly stderr: string } {
    const bare = ['--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];
    const command = this.inside(this.pod, [
      ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, ...bare],
      ...[outriggerProgram, 'intercept', ...words],
    ]);
    const options = { encoding: 'utf8', env: { ...this.#environment(), HOME: '/' } } as const;
    const { status, stderr } = spawnSync(command[0]!, command.slice(1), options);
    return { code: status ?? -1, stderr };
  }

  /** The lines that a caller hears. `port` `udp`: a question to port 53. */
  call(
    from: 'pod' | 'outside',
    host: string,
    port: number | 'udp',
    options: { readonly uid?: number; readonly timeoutMs?: number } = {},
  ): readonly string[] {
    const call = JSON.stringify({ host, port, timeoutMs: 5_000, ...options });
    const namespace = from === 'pod' ? this.pod : this.outside;
    return this.run(namespace, process.execPath, '-e', callScript, call)
      .split('\n')
      .filter((line) => line !== '');
  }

  /** From now on what is sent to 127.0.0.1 outside goes to the pod, by the cable. */
  forgeLoopback(): void {
    for (const line of [
      'sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0',
      'ip addr del 127.0.0.1/8 dev lo',
      `ip route add 127.0.0.1/32 via ${addresses.IPv4.pod} src ${addresses.IPv4.outside}`,
    ])
      this.run(this.outside, ...line.split(' '));
  }

  /** All of the pod's rules, routes and addresses, without dates and counters. */
  snapshot(): string {
    const commands = [
      ['iptables-save'],
      ['ip6tables-save'],
      ['nft', '-s', 'list', 'ruleset'],
      ['ip', 'rule'],
      ['ip', '-6', 'rule'],
      ['ip', 'route', 'show', 'table', 'all'],
      ['ip', '-6', 'route', 'show', 'table', 'all'],
      ['ip', 'addr'],
    ];
    return commands
      .map((command) => `$ ${command.join(' ')}\n${this.run(this.pod, ...command)}`)
      .join('')
      .replaceAll(/^#.*\n/gm, '')
      .replaceAll(/\[\d+:\d+\]/g, '');
  }

  remove(): void {
    networks.delete(this);
    for (const name of [this.pod, this.outside])
      spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore', env: this.#environment() });
  }

  #environment(): Record<string, string> {
    return { ...(process.env as Record<string, string>), PATH: this.path };
  }
}
