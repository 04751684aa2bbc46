/** Addresses for Pods: Kubernetes takes no loopback address as an endpoint. A network namespace with some, and a pair of interfaces that leads there. Needs root; `remove` takes everything away. */
import { execFileSync } from 'node:child_process';

let networks = 0;
const left = new Set<string>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const name of left) ip('netns', 'delete', name);
});

export class PodNetwork {
  readonly #name: string;
  /** This machine, as Pods see it. */
  readonly host: string;
  /** Of Pods. */
  readonly addresses: readonly string[];

  constructor() {
    const number = networks++;
    this.#name = `outrigger-${process.pid}-pods-${number}`;
    // Files of tests run beside each other, in processes of neighbouring ids.
    const prefix = `10.77.${(process.pid * 4 + number) % 250}`;
    const device = `or${process.pid % 1_000_000}n${number}`;
    this.host = `${prefix}.1`;
    this.addresses = [2, 3, 4, 5].map((last) => `${prefix}.${last}`);
    ip('netns', 'add', this.#name);
    left.add(this.#name);
    ip('link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#name);
    ip('addr', 'add', `${this.host}/28`, 'dev', device);
    ip('link', 'set', device, 'up');
    for (const address of this.addresses) ip('-n', this.#name, 'addr', 'add', `${address}/28`, 'dev', 'eth0');
    for (const each of ['lo', 'eth0']) ip('-n', this.#name, 'link', 'set', each, 'up');
  }

  /** A command line that runs in there. */
  inside(command: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.#name, ...command];
  }

  remove(): void {
    left.delete(this.#name);
    ip('netns', 'delete', this.#name);
  }
}

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}
