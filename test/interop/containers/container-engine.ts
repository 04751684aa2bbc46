/**
 * podman and buildah with a storage of their own, outside of the checkout and apart from the machine's: images stay from run to run, containers and pods are the test's to remove. Networks are made in whatever network namespace a
 * test gives; without one containers have no network but their own loopback.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { peersFolder } from '../../peers/peer-path.ts';
import { peer } from '../programs.ts';

const run = promisify(execFile);
const maxOutputBytes = 64 << 20;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandLimits {
  readonly input?: string;
  readonly timeoutMs?: number;
  /** A network namespace by name, in which networks are made. */
  readonly netns?: string;
}

export class ContainerEngine {
  readonly folder: string = join(peersFolder(), 'containers');
  readonly #storage: readonly string[];
  readonly #podman: readonly string[];
  readonly #env: NodeJS.ProcessEnv;

  /** Throws where podman or buildah is missing, or the user is not root. */
  constructor() {
    if (process.getuid?.() !== 0)
      throw new Error('containers are made by root here: their networks and the rules in them take its rights');
    // Short, as sockets lie in it.
    const running = '/run/outrigger-containers';
    mkdirSync(this.folder, { recursive: true });
    mkdirSync(running, { recursive: true });
    const settings = join(this.folder, 'containers.conf');
    // Limits that a container inside of a container may have; podman's own are beyond the machine's.
    writeFileSync(
      settings,
      `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
`,
    );
    this.#env = { ...process.env, CONTAINERS_CONF: settings };
    this.#storage = ['--root', join(this.folder, 'storage'), '--runroot', join(running, 'storage')];
    this.#podman = [
      ...[peer('podman'), ...this.#storage, '--tmpdir', join(running, 'libpod')],
      ...['--runtime', peer('runc'), '--network-config-dir', join(running, 'networks')],
    ];
  }

  /** Throws with what was said, when it does not end with 0. */
  async podman(args: readonly string[], limits: CommandLimits = {}): Promise<string> {
    return succeeded('podman', args, await this.tryPodman(args, limits));
  }

  tryPodman(args: readonly string[], limits: CommandLimits = {}): Promise<CommandResult> {
    return this.#run(this.podmanWords(args, limits), limits);
  }

  /** For who starts it itself. */
  podmanWords(args: readonly string[], { netns }: CommandLimits = {}): readonly string[] {
    return [...(netns === undefined ? [] : ['nsenter', `--net=/run/netns/${netns}`]), ...this.#podman, ...args];
  }

  /** What podman and buildah need of the environment. */
  get env(): NodeJS.ProcessEnv {
    return this.#env;
  }

  /** Gives way to the tests beside it: some of those have a few seconds for what they watch. */
  async buildah(args: readonly string[], limits: CommandLimits = {}): Promise<string> {
    const words = ['nice', '-n', '10', peer('buildah'), ...this.#storage, ...args];
    return succeeded('buildah', args, await this.#run(words, limits));
  }

  /** For an `exit` handler, which cannot wait; what goes wrong is nobody's to mend then. */
  podmanNow(args: readonly string[], limits: CommandLimits = {}): void {
    const [program = '', ...words] = this.podmanWords(args, limits);
    try {
      execFileSync(program, words, { env: this.#env, stdio: 'ignore', timeout: 60_000 });
    } catch {
      // It was gone, or will not go.
    }
  }

  async imageExists(name: string): Promise<boolean> {
    return (await this.tryPodman(['image', 'exists', name])).code === 0;
  }

  async #run(words: readonly string[], { input = '', timeoutMs = 120_000 }: CommandLimits): Promise<CommandResult> {
    const running = run(words[0]!, words.slice(1), { env: this.#env, timeout: timeoutMs, maxBuffer: maxOutputBytes });
    running.child.stdin?.on('error', () => {});
    running.child.stdin?.end(input);
    try {
      return { code: 0, ...(await running) };
    } catch (error) {
      const { code, stdout = '', stderr = '', killed } = error as Partial<CommandResult> & { killed?: boolean };
      if (killed === true) throw new Error(`${words.join(' ')} took more than ${timeoutMs / 1000} s: ${stderr}`);
      if (typeof code !== 'number') throw error;
      return { code, stdout, stderr };
    }
  }
}

function succeeded(program: string, args: readonly string[], { code, stdout, stderr }: CommandResult): string {
  if (code !== 0)
    throw new Error(
      `${program} ${args.join(' ')} ended with ${code}: ${`${stdout.slice(-2_000)}${stderr.slice(-2_000)}`.trim()}`,
    );
  return stdout;
}
