/** `outrigger control-plane`. */
import '../quiet-grpc.ts';
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { trustDomainFault } from '../../certs/spiffe/spiffe-id.ts';
import type {
  ControlPlaneOptions,
  IdentityOptions,
  RunningControlPlane,
  WebhookOptions,
} from '../../control-plane/control-plane.ts';
import type { FederatedFile } from '../../control-plane/identity/federated-bundles.ts';
import { type KnobName, lockedByDefault, unknownKnob } from '../../control-plane/inject/knobs.ts';
import { type ApiServer, usualNamespace } from '../../control-plane/source/kubernetes/api-server.ts';
import { portHolder, takenBy } from '../../sidecar/listener/port-holder.ts';
import { defaultDataDir } from '../data-dir.ts';
import { etcdOptions } from '../etcd-options.ts';
import { parseHostPort } from '../host-port.ts';
import { readableLine } from '../log-line.ts';
import { onParentGone } from '../parent-gone.ts';
import { parseDuration } from '../parse-duration.ts';
import { UserError } from '../user-error.ts';
import { parseSettings } from './inject.ts';

export interface ControlPlaneCommandOptions {
  readonly config?: readonly string[];
  readonly source?: string;
  readonly kubeconfig?: string;
  readonly kubernetesNamespace?: string;
  readonly publishRoot?: boolean;
  readonly dataDir?: string;
  readonly listen: string;
  readonly listenTls: string;
  readonly trustDomain: string;
  readonly certificateLifetime: string;
  readonly caCertificate?: string;
  readonly caKey?: string;
  readonly caRoots?: string;
  readonly caOwn?: boolean;
  readonly federate?: readonly string[];
  readonly kubernetesApi?: string;
  readonly kubernetesAudience: string;
  readonly kubernetesToken: string;
  readonly kubernetesCa: string;
  readonly listenAdmin: string;
  readonly egress: string;
  readonly listenWebhook: string;
  readonly webhookName: readonly string[];
  readonly webhookConfiguration: string;
  readonly webhookCertificate?: string;
  readonly webhookKey?: string;
  readonly injectSet?: readonly string[];
  readonly injectLock?: readonly string[];
  readonly store: string;
  readonly etcd?: readonly string[];
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdPrefix?: string;
  readonly logLevel: string;
}

const dnsName = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
const label = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const logLevels = ['trace', 'debug', 'info', 'warn', 'error'];

export async function controlPlane(options: ControlPlaneCommandOptions): Promise<void> {
  const etcd = etcdOptions(options);
  const { egress } = options;
  if (egress !== 'allow' && egress !== 'registry-only')
    throw new UserError(`--egress: ${JSON.stringify(egress)} is neither allow nor registry-only`, 2);
  if (!logLevels.includes(options.logLevel))
    throw new UserError(`--log-level: ${JSON.stringify(options.logLevel)} is not one of ${logLevels.join(', ')}`, 2);
  const log = pino(
    {
      level: options.logLevel,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (level) => ({ level }) },
    },
    // For people on a terminal, for programs elsewhere.
    process.stderr.isTTY
      ? { write: (line: string) => void process.stderr.write(`${readableLine(line.trimEnd())}\n`) }
      : pino.destination({ dest: 2, sync: true }),
  );
  let running: RunningControlPlane;
  try {
    const kubernetes = await kubernetesSource(options);
    const given: ControlPlaneOptions = {
      configPaths: options.config ?? [],
      dataDir: options.dataDir ?? defaultDataDir(process.env),
      listen: parseHostPort('--listen', options.listen),
      identity: await identityOptions(options, kubernetes?.server ?? null),
      etcd,
      kubernetes,
      listenAdmin: parseHostPort('--listen-admin', options.listenAdmin),
      egress,
      webhook: webhookOptions(options),
      log,
      portTaken: (port) => takenBy(portHolder(port)),
    };
    // Takes most of a second to load: who mistyped a flag is told at once.
    const { startControlPlane } = await import('../../control-plane/control-plane.ts');
    running = await startControlPlane(given);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError((error as Error).message.replaceAll('\n', '\noutrigger: '));
  }
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    void running.close().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // The demo has a channel to us, and is gone.
  onParentGone(() => {
    if (!stopping) stop();
  });
  process.channel?.unref();
}

function webhookOptions(options: ControlPlaneCommandOptions): WebhookOptions | null {
  const { listenWebhook, webhookCertificate: certificate, webhookKey: key, webhookName, injectSet = [] } = options;
  const { injectLock = lockedByDefault } = options;
  if ((certificate === undefined) !== (key === undefined))
    throw new UserError('--webhook-certificate and --webhook-key go together: the certificate to show, and its key', 2);
  const meshWide = parseSettings('--inject-set', injectSet);
  const locked = injectLock.length === 1 && injectLock[0] === 'none' ? [] : injectLock;
  for (const name of locked) {
    const fault = unknownKnob(name);
    if (fault !== '') throw new UserError(`--inject-lock: ${JSON.stringify(name)} ${fault}`, 2);
  }
  if (listenWebhook === 'off') return null;
  for (const name of webhookName)
    if (!dnsName.test(name)) throw new UserError(`--webhook-name: ${JSON.stringify(name)} is not a DNS name`, 2);
  return {
    listen: parseHostPort('--listen-webhook', listenWebhook),
    files: certificate === undefined ? null : { certificate, key: key! },
    dnsNames: webhookName,
    // Pods prove themselves to this mesh.
    meshWide: { 'trust-domain': options.trustDomain, ...meshWide },
    locked: new Set(locked as readonly KnobName[]),
  };
}

const minuteMs = 60_000;

/** `apiServer`: that is a source. */
async function identityOptions(
  options: ControlPlaneCommandOptions,
  apiServer: ApiServer | null,
): Promise<IdentityOptions | null> {
  const { trustDomain, caCertificate, caKey, caRoots } = options;
  const fault = trustDomainFault(trustDomain);
  if (fault !== '') throw new UserError(`--trust-domain: ${JSON.stringify(trustDomain)}: ${fault}`, 2);
  if ((caCertificate === undefined) !== (caKey === undefined))
    throw new UserError('--ca-certificate and --ca-key go together: the certificate to sign with, and its key', 2);
  if (caRoots !== undefined && caCertificate === undefined)
    throw new UserError('--ca-roots goes with --ca-certificate, whose root it holds', 2);
  if (options.caOwn === true && caCertificate !== undefined)
    throw new UserError('--ca-own is for a root made here, and --ca-certificate for your own; give one of them', 2);
  const identity: IdentityOptions = {
    listen: options.listenTls === 'off' ? { host: '', port: 0 } : parseHostPort('--listen-tls', options.listenTls),
    trustDomain,
    certificateLifetimeMs: parseDuration(
      '--certificate-lifetime',
      options.certificateLifetime,
      2_000,
      30 * 24 * 60 * minuteMs,
    ),
    authorityFiles: caCertificate === undefined ? null : { chain: caCertificate, key: caKey!, roots: caRoots ?? null },
    ownInstead: options.caOwn === true,
    federated: (options.federate ?? []).map(parseFederated),
    tokenReview: await tokenReview(options, apiServer),
  };
  return options.listenTls === 'off' ? null : identity;
}

/** Where the API server is that is a source; null: none is. */
async function kubernetesSource(
  options: ControlPlaneCommandOptions,
): Promise<NonNullable<ControlPlaneOptions['kubernetes']> | null> {
  const { source, kubeconfig, kubernetesNamespace, listenTls, listenWebhook, webhookConfiguration } = options;
  if (kubernetesNamespace !== undefined && kubeconfig === undefined)
    throw new UserError(
      '--kubernetes-namespace goes with --kubeconfig: in a Pod the namespace is that of its service account',
      2,
    );
  if (kubernetesNamespace !== undefined && !label.test(kubernetesNamespace))
    throw new UserError(
      `--kubernetes-namespace: ${JSON.stringify(kubernetesNamespace)} is not a name of a namespace`,
      2,
    );
  if (source === undefined) {
    if (kubeconfig !== undefined) throw new UserError('--kubeconfig goes with --source kubernetes', 2);
    if (options.publishRoot === true) throw new UserError('--publish-root goes with --source kubernetes', 2);
    return null;
  }
  if (source !== 'kubernetes')
    throw new UserError(
      `--source: ${JSON.stringify(source)} is no source; kubernetes is (files are named by --config)`,
      2,
    );
  if (options.publishRoot === true && listenTls === 'off')
    throw new UserError('--publish-root needs --listen-tls: without it the mesh has no root', 2);
  if (!dnsName.test(webhookConfiguration))
    throw new UserError(
      `--webhook-configuration: ${JSON.stringify(webhookConfiguration)} is not a name of an object`,
      2,
    );
  // Who injects needs it: without the roots neither is the webhook believed, nor do the sidecars find who they are.
  const publishRoot = options.publishRoot ?? (listenWebhook !== 'off' && listenTls !== 'off');
  const more = { publishRoot, webhookConfiguration };
  try {
    if (kubeconfig === undefined) {
      const { inClusterApiServer } = await import('../../control-plane/source/kubernetes/in-cluster.ts');
      return { server: inClusterApiServer(process.env), ...more };
    }
    const { kubeconfigApiServer } = await import('../../control-plane/source/kubernetes/kubeconfig.ts');
    return { server: kubeconfigApiServer(kubeconfig, kubernetesNamespace ?? usualNamespace), ...more };
  } catch (error) {
    throw new UserError((error as Error).message, 2);
  }
}

function parseFederated(text: string): FederatedFile {
  const at = text.indexOf('=');
  const trustDomain = text.slice(0, Math.max(0, at));
  if (at === text.length - 1 || trustDomainFault(trustDomain) !== '')
    throw new UserError(`--federate: ${JSON.stringify(text)} is not TRUST-DOMAIN=FILE`, 2);
  return { trustDomain, file: text.slice(at + 1) };
}

/** Who is a source says whose tokens are too, unless another one is named. */
async function tokenReview(
  { kubernetesApi, kubernetesAudience, kubernetesToken, kubernetesCa }: ControlPlaneCommandOptions,
  apiServer: ApiServer | null,
): Promise<IdentityOptions['tokenReview']> {
  if (kubernetesApi === undefined && apiServer === null) return null;
  const { TokenReview } = await import('../../control-plane/identity/token-review.ts');
  const { kubernetesFetch } = await import('../../control-plane/identity/kubernetes-fetch.ts');
  if (kubernetesApi === undefined) {
    // It asks by a token; with a client certificate nobody is asked, and no tokens are taken.
    const { url, credentials } = apiServer!;
    if (credentials().token === null || !url.startsWith('https:')) return null;
    return new TokenReview({
      apiServer: url,
      audience: kubernetesAudience,
      bearerToken: () => credentials().token ?? '',
      fetch: kubernetesFetch(apiServer!),
    });
  }
  if (!/^https:\/\/[^/]+$/.test(kubernetesApi))
    throw new UserError(
      `--kubernetes-api: ${JSON.stringify(kubernetesApi)} is not https://HOST; in a cluster write https://kubernetes.default.svc`,
      2,
    );
  return new TokenReview({
    apiServer: kubernetesApi,
    audience: kubernetesAudience,
    bearerToken: () => readFileSync(kubernetesToken, 'utf8').trim(),
    fetch: kubernetesFetch({ ca: () => readFileSync(kubernetesCa, 'utf8') }),
  });
}
