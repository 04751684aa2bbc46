/**
 * A cluster without nodes: kube-apiserver with etcd, TLS, RBAC, tokens in a file and service accounts, and kubectl to speak to it. There is no scheduler, no kubelet and no controller: a test writes EndpointSlices and the
 * status of Pods itself. Everything listens on loopback; `stop` ends it and takes its files away.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePorts } from '../../peers/free-port.ts';
import { StartedProgram, waitFor } from '../../peers/started-program.ts';
import { peer } from '../programs.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code: number };
}

const folders = new Set<string>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export class KubernetesCluster {
  readonly folder: string;
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  readonly #port: number;
  readonly #etcdUrl: string;
  readonly #etcd: StartedProgram;
  readonly adminToken: string;
  readonly #audit: boolean;
  #apiServer: StartedProgram | null = null;
  #files = 0;

  private constructor(folder: string, ports: readonly number[], audit: boolean) {
    const [port, client, peerPort] = ports as [number, number, number];
    this.folder = folder;
    this.#audit = audit;
    this.#port = port;
    this.url = `https://127.0.0.1:${port}`;
    this.#etcdUrl = `http://127.0.0.1:${client}`;
    this.adminToken = randomBytes(16).toString('hex');
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.#write('sa.key', privateKey.export({ type: 'pkcs1', format: 'pem' }) as string);
    this.#write('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }) as string);
    this.#write('tokens.csv', `${this.adminToken},admin,admin,"system:masters"\n`);
    mkdirSync(join(folder, 'certificates'));
    this.#write(
      'audit.yaml',
      stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata' }] }),
    );
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    this.#etcd = new StartedProgram(
      'etcd',
      [
        peer('etcd'),
        ...['--data-dir', join(folder, 'etcd'), '--name', 'one', '--initial-cluster', `one=${peerUrl}`],
        ...['--listen-client-urls', this.#etcdUrl, '--advertise-client-urls', this.#etcdUrl],
        ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
      ],
      { logFile: join(folder, 'etcd.log') },
    );
  }

  /** `audit`: who asked for what is kept (`audit()`). */
  static async start({ audit = false } = {}): Promise<KubernetesCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-kubernetes-'));
    folders.add(folder);
    const cluster = new KubernetesCluster(folder, await freePorts(3), audit);
    try {
      await cluster.startApiServer();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Its serving certificate, with the authority that signed it. */
  get caFile(): string {
    return join(this.folder, 'certificates', 'apiserver.crt');
  }

  /** Comes back when it is ready; on the same port each time. */
  async startApiServer(): Promise<void> {
    const path = (name: string): string => join(this.folder, name);
    const program = new StartedProgram(
      'kube-apiserver',
      [
        peer('kube-apiserver'),
        ...['--etcd-servers', this.#etcdUrl, '--secure-port', String(this.#port), '--bind-address', '127.0.0.1'],
        // No address but loopback, and nobody who would look for it in the Service `kubernetes`.
        ...['--advertise-address', '127.0.0.1', '--endpoint-reconciler-type', 'none'],
        ...['--cert-dir', path('certificates'), '--token-auth-file', path('tokens.csv')],
        ...['--service-account-key-file', path('sa.pub'), '--service-account-signing-key-file', path('sa.key')],
        ...['--service-account-issuer', 'https://kubernetes.default.svc'],
        ...['--api-audiences', 'https://kubernetes.default.svc,outrigger'],
        ...['--authorization-mode', 'RBAC', '--service-cluster-ip-range', '10.96.0.0/16', '--allow-privileged'],
        '--watch-cache=true',
        ...(this.#audit ? ['--audit-policy-file', path('audit.yaml'), '--audit-log-path', path('audit.log')] : []),
      ],
      { logFile: path('kube-apiserver.log') },
    );
    this.#apiServer = program;
    await waitFor('kube-apiserver to be ready', 60_000, async () => {
      program.failIfEnded();
      this.#etcd.failIfEnded();
      return this.api('GET', '/readyz').then(
        ({ status }) => status === 200,
        () => false,
      );
    });
  }

  /** At once, as a machine that fails. */
  async killApiServer(): Promise<void> {
    const program = this.#apiServer;
    this.#apiServer = null;
    program?.signal('SIGKILL');
    await program?.exited;
  }

  async stop(): Promise<void> {
    await this.killApiServer();
    this.#etcd.signal('SIGKILL');
    await this.#etcd.exited;
    rmSync(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }

  /** A call of the API as the administrator. Rejects when there is no answer. `body`: JSON; a PATCH is a merge patch. */
  api(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    return new Promise((resolve, reject) => {
      const call = request(`${this.url}${path}`, {
        method,
        agent: false,
        ca: readFileSync(this.caFile),
        headers: {
          authorization: `Bearer ${this.adminToken}`,
          'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        },
      });
      call.on('error', reject);
      call.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => void chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, body: text.startsWith('{') ? JSON.parse(text) : text });
        });
      });
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** kubectl as the administrator, to its end: what it printed. Fails when kubectl does. `input`: objects, handed to it as YAML on its standard input (`-f -`). */
  async kubectl(words: readonly string[], input?: ReadonlyArray<object | string>): Promise<string> {
    const files: string[] = [];
    if (input !== undefined) {
      const text = input.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join('\n---\n');
      files.push('-f', this.#write(`input-${this.#files++}.yaml`, text));
    }
    const program = new StartedProgram(
      'kubectl',
      [peer('kubectl'), '--kubeconfig', this.kubeconfig('admin', this.adminToken), ...words, ...files],
      { env: { HOME: this.folder } },
    );
    const how = await program.exited;
    if (how !== 'exit code 0') throw new Error(`kubectl ${words.join(' ')} ended (${how}):\n${program.output}`);
    return program.output;
  }

  async apply(...objects: ReadonlyArray<object | string>): Promise<void> {
    await this.kubectl(['apply', '--server-side', '--force-conflicts'], objects);
  }

  /** A namespace with its service accounts; `default` has to be named too, as no controller makes it. */
  async namespace(name: string, ...accounts: readonly string[]): Promise<void> {
    await this.apply(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
      ...accounts.map((account) => ({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { namespace: name, name: account },
      })),
    );
  }

  /** A token as kubelet projects it. Audience: default: the API server itself. */
  async token(namespace: string, account: string, audience?: string): Promise<string> {
    const { status, body } = await this.api(
      'POST',
      `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: 3600, ...(audience === undefined ? {} : { audiences: [audience] }) },
      },
    );
    if (status !== 201) throw new Error(`no token for ${namespace}/${account}: ${JSON.stringify(body)}`);
    return (body as { status: { token: string } }).status.token;
  }

  /** What `user` has asked for so far: each call once it was answered, a watch when it began. */
  audit(user: string): readonly AuditEvent[] {
    return readFileSync(join(this.folder, 'audit.log'), 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter((event) => event.user.username === user && event.stage !== 'RequestReceived');
  }

  /** What etcd keeps of the past goes, as it does every five minutes: who watches from an old version is told that it is expired. Only while no API server runs. */
  async forgetThePast(): Promise<void> {
    const post = async (path: string, body: object): Promise<unknown> =>
      (await fetch(`${this.#etcdUrl}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) })).json();
    let revision = '0';
    for (let at = 0; at < 10; at++) {
      const written = await post('put', { key: btoa('/forgotten'), value: btoa(String(at)) });
      revision = (written as { header: { revision: string } }).header.revision;
    }
    await post('compaction', { revision, physical: true });
  }

  /** A kubeconfig file of whoever has the token. */
  kubeconfig(user: string, token: string, namespace = 'default'): string {
    return this.#write(
      `${user}.kubeconfig`,
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'test', cluster: { server: this.url, 'certificate-authority': this.caFile } }],
        users: [{ name: user, user: { token } }],
        contexts: [{ name: user, context: { cluster: 'test', user, namespace } }],
        'current-context': user,
      }),
    );
  }

  #write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }
}
