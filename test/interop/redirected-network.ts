/**
 * A host with a sidecar, and somebody else on the same cable: a network namespace each, with rules of iptables in the first that send its traffic to the sidecar. Touches nothing of the machine's own network, and is gone with
 * `remove` or with the process. What the two say to each other is said by scripts in there.
 */
import { execFileSync, spawnSync } from 'node:child_process';

export const addresses = {
  IPv4: { host: '10.98.0.2', other: '10.98.0.1' },
  IPv6: { host: 'fd98::2', other: 'fd98::1' },
} as const;

export type Family = keyof typeof addresses;

/** On 8080 HTTP that says who asked; on 2525 a server that speaks first; on 9000 one that says who said what. */
export const serverScript = `
const { createServer } = require('node:net');
const bare = (socket) => socket.remoteAddress.replace('::ffff:', '');
const serve = (port, on) => createServer({ allowHalfOpen: true }, (socket) => { socket.on('error', () => {}); on(socket); }).listen(port, '::');
require('node:http').createServer((request, response) => {
  response.end(JSON.stringify({ from: bare(request.socket), host: request.headers.host, id: 'x-request-id' in request.headers }));
}).listen(8080, '::');
serve(2525, (socket) => { socket.write('220 ' + bare(socket) + '\\n'); socket.on('data', (chunk) => socket.write('got ' + chunk)); socket.on('end', () => socket.end()); });
serve(9000, (socket) => { socket.on('data', (chunk) => socket.write(bare(socket) + ' said ' + chunk)); socket.on('end', () => socket.end()); })
  .on('listening', () => console.log('serving'));
`;

/** Says something, or nothing, and prints what it hears until it has heard \`until\`, or the end. */
const callScript = `
const { host, port, say, until } = JSON.parse(process.argv[1]);
let heard = '';
const end = (error) => { process.stdout.write(JSON.stringify({ heard, error })); process.exit(0); };
setTimeout(() => end('nothing'), 8000);
const socket = require('node:net').connect({ host, port }, () => { if (say) socket.write(say); });
socket.on('data', (chunk) => { heard += chunk; if (heard.includes(until)) end(''); });
socket.on('end', () => end('end'));
socket.on('error', (error) => end(error.code));
`;

export interface Heard {
  readonly heard: string;
  /** '': it heard what it waited for; else the end, or the system's code. */
  readonly error: string;
}

let made = 0;
const networks = new Set<RedirectedNetwork>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const network of networks) network.remove();
});

export class RedirectedNetwork {
  readonly host: string;
  readonly other: string;

  constructor() {
    const name = `outrigger-${process.pid}-r${made++}`;
    this.host = `${name}-host`;
    this.other = `${name}-other`;
    networks.add(this);
    for (const namespace of [this.host, this.other]) {
      run('ip', 'netns', 'add', namespace);
      run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    }
    run(...words('ip link add name eth0 netns', this.host, 'type veth peer name eth0 netns', this.other));
    for (const [namespace, side] of [
      [this.host, 'host'],
      [this.other, 'other'],
    ] as const) {
      run(...words('ip -n', namespace, 'link set dev eth0 addrgenmode none'));
      run(...words('ip -n', namespace, 'addr add', `${addresses.IPv4[side]}/24`, 'dev eth0'));
      run(...words('ip -n', namespace, 'addr add', `${addresses.IPv6[side]}/64`, 'dev eth0 nodad'));
      run(...words('ip -n', namespace, 'link set eth0 up'));
    }
  }

  /** Every line is a command in the host. */
  rules(lines: string): void {
    for (const line of lines.split('\n')) if (line.trim() !== '') this.inHost(...line.trim().split(/\s+/));
  }

  inHost(...command: readonly string[]): string {
    return run('ip', 'netns', 'exec', this.host, ...command);
  }

  /** The words that run a command in there; as the sidecar's group, which rules leave alone. */
  inside(namespace: string, command: readonly string[], asSidecar = false): readonly string[] {
    const as = asSidecar ? ['setpriv', '--regid', '1337', '--clear-groups'] : [];
    return ['ip', 'netns', 'exec', namespace, ...as, ...command];
  }

  call(
    namespace: string,
    to: { readonly host: string; readonly port: number; readonly say?: string; readonly until: string },
  ): Heard {
    const [program, ...rest] = this.inside(namespace, [process.execPath, '-e', callScript, JSON.stringify(to)]);
    const { stdout, stderr } = spawnSync(program!, rest, { encoding: 'utf8' });
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Heard;
  }

  /** From now on what the other one sends to 127.0.0.1 goes to the host, by the cable. */
  forgeLoopback(): void {
    for (const line of [
      'sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0',
      'ip addr del 127.0.0.1/8 dev lo',
      `ip route add 127.0.0.1/32 via ${addresses.IPv4.host} src ${addresses.IPv4.other}`,
    ])
      run('ip', 'netns', 'exec', this.other, ...line.split(' '));
  }

  remove(): void {
    networks.delete(this);
    for (const namespace of [this.host, this.other]) spawnSync('ip', ['netns', 'del', namespace]);
  }
}

function words(...parts: readonly string[]): string[] {
  return parts.flatMap((part) => part.split(' '));
}

function run(...command: readonly string[]): string {
  return execFileSync(command[0]!, command.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
