/** A network of podman's in a network namespace of its own, so that nothing of the machine's network is touched; pods, and containers beside them. All of it is gone after `remove`. */
import { execFileSync } from 'node:child_process';
import type { CommandLimits, CommandResult, ContainerEngine } from './container-engine.ts';

let made = 0;
const open = new Set<PodNetwork>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const network of open) network.removeNow();
});

export class PodNetwork {
  readonly #engine: ContainerEngine;
  readonly #name = `outrigger-${process.pid}-c${made++}`;
  readonly #subnet: string;
  readonly #containers: string[] = [];
  readonly #pods: string[] = [];

  private constructor(engine: ContainerEngine, subnet: string) {
    this.#engine = engine;
    this.#subnet = subnet;
    open.add(this);
  }

  /** `subnet`: its first three numbers. */
  static async make(engine: ContainerEngine, subnet: string): Promise<PodNetwork> {
    const network = new PodNetwork(engine, subnet);
    execFileSync('ip', ['netns', 'add', network.#name]);
    execFileSync('ip', ['-n', network.#name, 'link', 'set', 'lo', 'up']);
    try {
      await network.podman(['network', 'create', '--disable-dns', '--subnet', `${subnet}.0/24`, network.#name]);
    } catch (error) {
      network.removeNow();
      throw error;
    }
    return network;
  }

  address(last: number): string {
    return `${this.#subnet}.${last}`;
  }

  podman(args: readonly string[], limits: CommandLimits = {}): Promise<string> {
    return this.#engine.podman(args, { ...limits, netns: this.#name });
  }

  tryPodman(args: readonly string[], limits: CommandLimits = {}): Promise<CommandResult> {
    return this.#engine.tryPodman(args, { ...limits, netns: this.#name });
  }

  /** A container beside the pods, in the background. Its name. */
  async run(name: string, last: number, words: readonly string[]): Promise<string> {
    const full = `${this.#name}-${name}`;
    this.#containers.push(full);
    await this.podman(['run', '-d', '--name', full, '--network', this.#name, '--ip', this.address(last), ...words]);
    return full;
  }

  /** As `podman kube play -` makes it of a manifest. */
  async play(pod: string, last: number, manifest: string): Promise<string> {
    this.#pods.push(pod);
    return this.podman(['kube', 'play', '--network', this.#name, '--ip', this.address(last), '-'], { input: manifest });
  }

  removeNow(): void {
    open.delete(this);
    const force = ['--force', '--ignore', '--time', '0'];
    for (const pod of this.#pods.splice(0)) this.#engine.podmanNow(['pod', 'rm', ...force, pod], { netns: this.#name });
    for (const name of this.#containers.splice(0))
      this.#engine.podmanNow(['rm', '--volumes', ...force, name], { netns: this.#name });
    this.#engine.podmanNow(['network', 'rm', '--force', this.#name], { netns: this.#name });
    execFileSync('ip', ['netns', 'del', this.#name], { stdio: 'ignore' });
  }
}
