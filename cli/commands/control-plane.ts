/** `outrigger control-plane`. */
import '../quiet-grpc.ts';
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { trustDomainFault } from '../../certs/spiffe/spiffe-id.ts';
import type { ControlPlaneOptions, IdentityOptions, RunningControlPlane } from '../../control-plane/control-plane.ts';
import type { FederatedFile } from '../../control-plane/identity/federated-bundles.ts';
import { portHolder, takenBy } from '../../sidecar/listener/port-holder.ts';
import { defaultDataDir } from '../data-dir.ts';
import { parseHostPort } from '../host-port.ts';
import { readableLine } from '../log-line.ts';
import { onParentGone } from '../parent-gone.ts';
import { parseDuration } from '../parse-duration.ts';
import { UserError } from '../user-error.ts';

export interface ControlPlaneCommandOptions {
  readonly config?: readonly string[];
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
  readonly store: string;
  readonly logLevel: string;
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error'];

export async function controlPlane(options: ControlPlaneCommandOptions): Promise<void> {
  if (options.store !== 'embedded')
    throw new UserError(`--store: ${JSON.stringify(options.store)} is not built yet; embedded is`, 2);
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
    const given: ControlPlaneOptions = {
      configPaths: options.config ?? [],
      dataDir: options.dataDir ?? defaultDataDir(process.env),
      listen: parseHostPort('--listen', options.listen),
      identity: await identityOptions(options),
      listenAdmin: parseHostPort('--listen-admin', options.listenAdmin),
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

const minuteMs = 60_000;

async function identityOptions(options: ControlPlaneCommandOptions): Promise<IdentityOptions | null> {
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
    tokenReview: await tokenReview(options),
  };
  return options.listenTls === 'off' ? null : identity;
}

function parseFederated(text: string): FederatedFile {
  const at = text.indexOf('=');
  const trustDomain = text.slice(0, Math.max(0, at));
  if (at === text.length - 1 || trustDomainFault(trustDomain) !== '')
    throw new UserError(`--federate: ${JSON.stringify(text)} is not TRUST-DOMAIN=FILE`, 2);
  return { trustDomain, file: text.slice(at + 1) };
}

async function tokenReview({
  kubernetesApi,
  kubernetesAudience,
  kubernetesToken,
  kubernetesCa,
}: ControlPlaneCommandOptions): Promise<IdentityOptions['tokenReview']> {
  if (kubernetesApi === undefined) return null;
  if (!/^https:\/\/[^/]+$/.test(kubernetesApi))
    throw new UserError(
      `--kubernetes-api: ${JSON.stringify(kubernetesApi)} is not https://HOST; in a cluster write https://kubernetes.default.svc`,
      2,
    );
  const { TokenReview } = await import('../../control-plane/identity/token-review.ts');
  const { kubernetesFetch } = await import('../../control-plane/identity/kubernetes-fetch.ts');
  return new TokenReview({
    apiServer: kubernetesApi,
    audience: kubernetesAudience,
    bearerToken: () => readFileSync(kubernetesToken, 'utf8').trim(),
    fetch: kubernetesFetch(kubernetesCa),
  });
}
