/** An etcd of one member, alone, on ports and in a folder that outlive it, so that it can be stopped and started again. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EtcdClient, type EtcdTls } from '../../control-plane/etcd/etcd-client.ts';
import { freePorts } from '../peers/free-port.ts';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import { peer, type Stage } from './programs.ts';

export class StartedEtcd {
  readonly #stage: Stage;
  readonly #ports: readonly [client: number, peer: number];
  readonly #flags: readonly string[];
  readonly #folder: string;
  readonly #tls: EtcdTls | null;
  program!: StartedProgram;

  private constructor(stage: Stage, ports: readonly [number, number], flags: readonly string[], tls: EtcdTls | null) {
    this.#stage = stage;
    this.#ports = ports;
    this.#flags = flags;
    this.#tls = tls;
    this.#folder = join(stage.folder, `etcd-${ports[0]}`);
    // etcd wants it for itself.
    mkdirSync(this.#folder, { mode: 0o700 });
  }

  /** `tls`: by which we ask whether it answers; it takes https then, with the certificates that `flags` name. */
  static async start(stage: Stage, flags: readonly string[] = [], tls: EtcdTls | null = null): Promise<StartedEtcd> {
    const started = new StartedEtcd(stage, (await freePorts(2)) as [number, number], flags, tls);
    await started.again();
    return started;
  }

  get port(): number {
    return this.#ports[0];
  }

  get member(): { readonly host: string; readonly port: number; readonly text: string } {
    return { host: '127.0.0.1', port: this.port, text: `127.0.0.1:${this.port}` };
  }

  /** With what it had. Resolves when it answers. */
  async again(): Promise<void> {
    const clients = `http${this.#tls === null ? '' : 's'}://127.0.0.1:${this.#ports[0]}`;
    const peers = `http://127.0.0.1:${this.#ports[1]}`;
    this.program = this.#stage.start('etcd', [
      peer('etcd'),
      ...['--data-dir', this.#folder, '--logger', 'zap', '--log-level', 'warn'],
      ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`],
      ...this.#flags,
    ]);
    await waitFor('etcd to answer', 20_000, async () => {
      this.program.failIfEnded();
      const client = new EtcdClient(this.member, this.#tls);
      return client
        .readAll('/nothing/', () => {})
        .then(
          () => true,
          () => false,
        )
        .finally(() => client.close());
    });
  }
}

/** A root, and certificates of it, by openssl: files `<name>.pem` and `<name>.key` in a folder, the root as `ca.pem`. `names`: as `DNS:etcd` or `IP:127.0.0.1`, by file. */
export function writeCertificates(folder: string, names: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  const openssl = (...words: readonly string[]): void => {
    execFileSync('openssl', words, { cwd: folder, stdio: 'ignore' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca', '-days', '2');
  for (const [name, alternative] of Object.entries(names)) {
    writeFileSync(
      join(folder, `${name}.ext`),
      `subjectAltName=${alternative}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-days', '2', '-extfile', `${name}.ext`];
    openssl('x509', '-req', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', ...signed);
  }
}

/** As flags name them. Null: no certificate of our own. */
export function tlsOf(folder: string, name: string | null): EtcdTls {
  const read = (file: string): Buffer => readFileSync(join(folder, file));
  return {
    roots: read('ca.pem'),
    certificate: name === null ? null : read(`${name}.pem`),
    key: name === null ? null : read(`${name}.key`),
  };
}
