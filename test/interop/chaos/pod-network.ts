/**
 * Hosts on one machine: a network namespace for each pod, and one in the middle that routes between them. Pods can be cut off (packets vanish without a word, all or those between two pods, to and fro or one way) and slowed. It touches nothing
 * of the machine's own network, and is gone with `remove` or with the process. Needs root and Debian's iproute2.
 *
 * Slow is a rate (tbf), as many kernels come without netem.
 */
import { execFileSync, spawnSync } from 'node:child_process';

const networks = new Set<PodNetwork>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const network of networks) network.remove();
});

export class PodNetwork {
  readonly #prefix: string;
  readonly #hub: string;
  readonly #pods: readonly string[];

  /** Throws, and leaves nothing behind, when the system does not let it. */
  constructor(pods: readonly string[]) {
    this.#prefix = `outrigger-${process.pid}-`;
    this.#hub = `${this.#prefix}hub`;
    this.#pods = pods;
    networks.add(this);
    try {
      ip('netns', 'add', this.#hub);
      execFileSync('ip', ['netns', 'exec', this.#hub, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
      for (const pod of pods) this.#addPod(pod);
    } catch (error) {
      this.remove();
      throw new Error(`no network namespaces (they need root and iproute2): ${(error as Error).message}`);
    }
  }

  address(pod: string): string {
    return `10.77.${this.#number(pod)}.2`;
  }

  /** One more address of a pod, which {@link drop} and {@link pass} take in the place of a pod: a pod that stands for several hosts. */
  addAddress(pod: string, address: string): void {
    ip('-n', this.#namespace(pod), 'addr', 'add', `${address}/32`, 'dev', 'lo');
    ip('-n', this.#hub, 'route', 'add', `${address}/32`, 'via', this.address(pod));
  }

  /** The pod with this address, or ''. */
  podAt(address: string): string {
    return this.#pods.find((pod) => this.address(pod) === address) ?? '';
  }

  /** The words that run `command` in the pod; the process is the command itself. */
  inside(pod: string, command: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespace(pod), ...command];
  }

  /** Packets from the one pod to the other vanish. Null: to or from any pod. */
  drop(from: string | null, to: string | null): void {
    ip(...this.#rule('add', from, to));
  }

  pass(from: string | null, to: string | null): void {
    ip(...this.#rule('del', from, to));
  }

  /** Both ways. */
  slow(pod: string, kbitPerSecond: number): void {
    const shape = ['root', 'tbf', 'rate', `${kbitPerSecond}kbit`, 'burst', '3000', 'latency', '2s'];
    tc(this.#hub, 'add', this.#link(pod), ...shape);
    tc(this.#namespace(pod), 'add', 'eth0', ...shape);
  }

  unslow(pod: string): void {
    tc(this.#hub, 'del', this.#link(pod), 'root');
    tc(this.#namespace(pod), 'del', 'eth0', 'root');
  }

  remove(): void {
    networks.delete(this);
    for (const name of [...this.#pods.map((pod) => this.#namespace(pod)), this.#hub])
      spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  }

  #addPod(pod: string): void {
    const namespace = this.#namespace(pod);
    const gateway = `10.77.${this.#number(pod)}.1`;
    ip('netns', 'add', namespace);
    ip(
      'link',
      'add',
      'name',
      'eth0',
      'netns',
      namespace,
      'type',
      'veth',
      'peer',
      'name',
      this.#link(pod),
      'netns',
      this.#hub,
    );
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'addr', 'add', `${this.address(pod)}/30`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    ip('-n', this.#hub, 'addr', 'add', `${gateway}/30`, 'dev', this.#link(pod));
    ip('-n', this.#hub, 'link', 'set', this.#link(pod), 'up');
    ip('-n', namespace, 'route', 'add', 'default', 'via', gateway);
  }

  #rule(action: 'add' | 'del', from: string | null, to: string | null): readonly string[] {
    const side = (pod: string | null): string => (pod === null ? 'all' : pod.includes('.') ? pod : this.address(pod));
    return ['-n', this.#hub, 'rule', action, 'pref', '100', 'from', side(from), 'to', side(to), 'blackhole'];
  }

  #number(pod: string): number {
    return this.#pods.indexOf(pod) + 1;
  }

  #namespace(pod: string): string {
    return `${this.#prefix}${pod}`;
  }

  #link(pod: string): string {
    return `v${this.#number(pod)}`;
  }
}

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function tc(namespace: string, action: 'add' | 'del', device: string, ...words: readonly string[]): void {
  execFileSync('ip', ['netns', 'exec', namespace, 'tc', 'qdisc', action, 'dev', device, ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}
