/** Runs the scenarios of interception in a network namespace that is made for them and gone afterwards: rules of the kernel are never made in the machine's own. Needs root. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { peerPath } from '../../test/peers/peer-path.ts';
import type { Timing } from '../measure/run-scenario.ts';

/** Why it cannot be done here; '' : it can. */
export function interceptedFault(): string {
  if (process.getuid?.() !== 0) return 'network namespaces and rules need root';
  for (const name of ['ip', 'iptables'] as const)
    if (peerPath(name) === null) return `${name} is missing; node test/peers/install.ts ${name} gets it`;
  return '';
}

/** Its Markdown; throws when it could not be measured. */
export async function runIntercepted(ids: readonly string[], timing: Timing): Promise<string> {
  const namespace = `outrigger-bench-${process.pid}`;
  const ip = (...words: readonly string[]): void => void execFileSync('ip', words);
  const remove = (): void => void spawnSync('ip', ['netns', 'del', namespace]);
  ip('netns', 'add', namespace);
  process.on('exit', remove);
  try {
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    // Nobody listens there.
    ip('-n', namespace, 'addr', 'add', '10.200.0.1/32', 'dev', 'lo');
    const program = fileURLToPath(new URL('./intercepted-program.ts', import.meta.url));
    const inside = ['netns', 'exec', namespace];
    // So many connections come and go that the kernel would keep too many that are over, and the load would find no port.
    const seconds = ['time_wait', 'close', 'fin_wait', 'last_ack'].map(
      (state) => `net.netfilter.nf_conntrack_tcp_timeout_${state}=1`,
    );
    spawnSync('ip', [
      ...inside,
      'sysctl',
      '-q',
      '-w',
      ...seconds,
      'net.ipv4.ip_local_port_range=1024 65535',
      'net.ipv4.tcp_tw_reuse=1',
    ]);
    const child = spawn('ip', [...inside, process.execPath, program, JSON.stringify({ ids, timing })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`interception could not be measured:\n${text}`);
    return text;
  } finally {
    remove();
    process.off('exit', remove);
  }
}
