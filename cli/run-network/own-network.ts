/**
 * The network of `outrigger run --intercept`: a namespace with a cable (veth) to the host's, the host's address translation behind it, and the redirect rules within. The namespace has no name: it is there as long as a process is
 * in it, so that nothing of it outlives the command and its sidecar, not even a `kill -9`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { runStep, runTool } from '../intercept/kernel-tool.ts';
import { UserError } from '../user-error.ts';
import { anyInterface, hostForAll, type RunSlot } from './run-slots.ts';

export interface OwnNetworkOptions {
  readonly slot: RunSlot;
  /** Flags of `outrigger intercept install`. */
  readonly interceptFlags: readonly string[];
  readonly tell: (line: string) => void;
}

export class OwnNetwork {
  readonly #keeper: ChildProcess;
  /** As `nsenter --net` takes it. */
  readonly path: string;

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper;
    this.path = `/proc/${keeper.pid}/ns/net`;
  }

  /** Throws a UserError; what was made by then goes with the slot, which the caller gives back. */
  static async make({ slot, interceptFlags, tell }: OwnNetworkOptions): Promise<OwnNetwork> {
    // It ends when we do: its input does. Its line says that it is inside.
    const keeper = spawn('unshare', ['--net', '--', '/bin/sh', '-c', 'echo; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
      cwd: '/',
      env: { PATH: process.env['PATH'] },
    });
    keeper.stdin!.on('error', () => {});
    const failed = new Promise<never>((_, reject) => {
      keeper.once('error', ({ message }) =>
        reject(
          new UserError(`a network of its own cannot be made: unshare: ${message}; install the package util-linux`),
        ),
      );
      keeper.once('exit', () =>
        reject(
          new UserError(
            'a network of its own cannot be made: this takes root with CAP_SYS_ADMIN, which a container may lack',
          ),
        ),
      );
    });
    failed.catch(() => {});
    await Promise.race([once(keeper.stdout!, 'data'), failed]);
    const network = new OwnNetwork(keeper);
    try {
      network.#connect(slot);
      network.#intercept(interceptFlags);
      if (dropsForwarded())
        tell(
          `warning: this machine forwards nothing by default (as with Docker), so the command may not reach other machines: iptables -I FORWARD -i ${slot.interfaceName} -j ACCEPT; iptables -I FORWARD -o ${slot.interfaceName} -j ACCEPT`,
        );
      return network;
    } catch (error) {
      network.close();
      throw error;
    }
  }

  #connect({ interfaceName, hostAddress, ownAddress, table }: RunSlot): void {
    const what = 'giving the command a network of its own';
    runStep({
      what,
      words: ['ip', '-batch', '-'],
      input: `link add ${interfaceName} type veth peer name eth0 netns ${this.#keeper.pid}\naddress add ${hostAddress}/30 dev ${interfaceName}\naddress add ${hostForAll}/32 dev ${interfaceName}\nlink set ${interfaceName} up\n`,
    });
    runStep({
      what,
      words: ['nsenter', `--net=${this.path}`, '--', 'ip', '-batch', '-'],
      input: `link set lo up\naddress add ${ownAddress}/30 dev eth0\nlink set eth0 up\nroute add default via ${hostAddress}\n`,
    });
    runStep({
      what: 'translating its address for other machines',
      words: ['nft', '-f', '-'],
      input: `table ip ${table} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${ownAddress} oifname != "${interfaceName}" masquerade
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname { "lo", "${interfaceName}" } accept
    ip daddr ${hostAddress} iifname "${anyInterface}" meta l4proto tcp reject with tcp reset
    ip daddr ${hostAddress} iifname "${anyInterface}" reject
    ip daddr ${hostAddress} drop
    ip daddr ${hostForAll} iifname != "${anyInterface}" drop
  }
}
`,
    });
  }

  #intercept(flags: readonly string[]): void {
    const program = join(import.meta.dirname, 'outrigger.js');
    const words = [
      process.execPath,
      ...process.execArgv,
      program,
      'intercept',
      'install',
      `--netns=${this.path}`,
      ...flags,
    ];
    const { code, stderr } = runTool(words);
    if (code !== 0)
      throw new UserError(
        stderr.trim().replaceAll('outrigger: ', '') || `outrigger intercept install ended with ${code}`,
      );
  }

  /** It is gone when the last process in it is. */
  close(): void {
    this.#keeper.stdin!.end();
  }
}

/** Rules of iptables, by whoever made them. */
function dropsForwarded(): boolean {
  const { code, stdout } = runTool(['nft', 'list', 'chain', 'ip', 'filter', 'FORWARD']);
  return code === 0 && /policy drop/.test(stdout);
}
