/** A caller from outside of this network namespace, for `--verify`: a namespace of its own with a cable to this one, both gone when the call has been made. */
import { spawn } from 'node:child_process';
import type { Family } from './address-range.ts';
import { callScript } from './call-script.ts';
import { hasTool, runTool } from './kernel-tool.ts';

/** The names of both ends. */
const cable = 'outrigger-v';
const farEnd = 'outrigger-w';

export const outsideAddresses = {
  // For documents (RFC 5737, 3849): nobody is there.
  IPv4: { ours: '192.0.2.1', theirs: '192.0.2.2', bits: 30 },
  IPv6: { ours: '2001:db8:6f77::1', theirs: '2001:db8:6f77::2', bits: 126 },
} as const;

/** `connected`, or why not; `cannot …`: it could not be tried. */
export async function callFromOutside(family: Family, port: number, timeoutMs: number): Promise<string> {
  if (!hasTool('unshare') || !hasTool('ip')) return 'cannot be tried without unshare (util-linux) and ip (iproute2)';
  const { ours, theirs, bits } = outsideAddresses[family];
  const version = family === 'IPv4' ? '-4' : '-6';
  const call = JSON.stringify({ address: ours, port, timeoutMs });
  const nodad = family === 'IPv6' ? ' nodad' : '';
  // It says that it is there, and waits until the cable is.
  const script = `echo there; read -r cable; ip link set ${farEnd} up && ip ${version} addr add ${theirs}/${bits} dev ${farEnd}${nodad} && exec "$0" -e "$1" "$2"`;
  const child = spawn('unshare', ['--net', '--', 'sh', '-c', script, process.execPath, callScript, call], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {});
  let output = '';
  let faults = '';
  child.stderr.on('data', (bytes: Buffer) => (faults += bytes.toString()));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()));
  const isThere = new Promise<boolean>((resolve) => {
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      if (output.includes('there')) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  if (!(await isThere))
    return `cannot be tried: no network namespace can be made (${lastLine(faults)}); it needs CAP_SYS_ADMIN`;
  try {
    for (const words of [
      ['link', 'add', 'name', cable, 'type', 'veth', 'peer', 'name', farEnd, 'netns', String(child.pid)],
      [version, 'addr', 'add', `${ours}/${bits}`, 'dev', cable, ...(family === 'IPv6' ? ['nodad'] : [])],
      ['link', 'set', cable, 'up'],
    ]) {
      const { code, stderr } = runTool(['ip', ...words]);
      if (code !== 0) return `cannot be tried: ip ${words.join(' ')}: ${lastLine(stderr)}`;
    }
    child.stdin.end('up\n');
    await ended;
    const how = output.replace('there', '').trim();
    return how === '' ? `cannot be tried: ${lastLine(faults)}` : how;
  } finally {
    child.kill('SIGKILL');
    await ended;
    runTool(['ip', 'link', 'del', cable]);
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) || 'without a word';
}
