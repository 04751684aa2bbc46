/**
 * The control plane put together: files and registry → model → snapshots → xDS streams, with the registration API, CSDS, health, reflection and the admin port; behind a plain door for this machine, and a TLS door
 * where everybody has to say who they are. The wiring is here and nowhere else.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { AuthorityFiles } from '../certs/authority/operator-authority.ts';
import { serviceAccountId } from '../certs/spiffe/spiffe-id.ts';
import { AggregatedDiscoveryService } from '../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import { RateLimitService as RateLimitServiceDescriptor } from '../proto/generated/envoy/service/ratelimit/v3/rls_pb.js';
import { SecretDiscoveryService } from '../proto/generated/envoy/service/secret/v3/sds_pb.js';
import { ClientStatusDiscoveryService } from '../proto/generated/envoy/service/status/v3/csds_pb.js';
import { IdentityService as IdentityServiceDescriptor } from '../proto/generated/outrigger/identity/v1/identity_pb.js';
import { RegistryService as RegistryServiceDescriptor } from '../proto/generated/outrigger/registry/v1/registry_pb.js';
import { activeFaults } from './admin/active-faults.ts';
import { AdminServer } from './admin/admin-server.ts';
import { IdentityAdmin } from './admin/identity-admin.ts';
import { meshLists } from './admin/mesh-lists.ts';
import { metricsText } from './admin/metrics-text.ts';
import { DataFolder } from './data-folder/data-folder.ts';
import type { Caller } from './door/caller.ts';
import { grpcServer, shutDown } from './door/grpc-server.ts';
import { type OpenTlsDoor, openTlsDoor } from './door/open-tls-door.ts';
import { accountNamedLikeTheService, identityAs, type ServiceAccounts } from './door/service-accounts.ts';
import type { FederatedFile } from './identity/federated-bundles.ts';
import { MeshIdentity } from './identity/mesh-identity.ts';
import type { SigningLimits } from './identity/signing-rate.ts';
import type { TokenReview } from './identity/token-review.ts';
import type { FetchUrl } from './jwks/fetch-key-set.ts';
import { KeySetStore } from './jwks/key-set-store.ts';
import { LastGoodKeySets } from './jwks/last-good-key-sets.ts';
import type { Model } from './model/model.ts';
import { ModelBuilder } from './model/model-builder.ts';
import { PolicyEnds } from './model/policy-ends.ts';
import { MemoryCounters } from './ratelimit/counter-store.ts';
import { namespaceCallers } from './ratelimit/namespace-callers.ts';
import { RateLimitService } from './ratelimit/rate-limit-service.ts';
import { InstanceStore } from './registry/instance-store.ts';
import { registrationWarning } from './registry/registration-warning.ts';
import { defaultTtlSeconds, Registry } from './registry/registry.ts';
import { RegistryService } from './registry/registry-service.ts';
import { ProxySnapshots } from './snapshot/proxy-snapshots.ts';
import type { SourceFault, SourceState } from './source/configuration-files.ts';
import { faultText } from './source/fault.ts';
import { FileSource } from './source/file-source.ts';
import { LastGoodFiles } from './source/last-good-files.ts';
import { type SourceClock, systemSourceClock } from './source/source-clock.ts';
import { CsdsService } from './xds-server/csds-service.ts';
import { XdsService } from './xds-server/xds-service.ts';

interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Of the TLS door and the identities behind it. */
export interface IdentityOptions {
  readonly listen: HostPort;
  readonly trustDomain: string;
  readonly certificateLifetimeMs: number;
  /** The operator's own root or intermediate; null: a root is made in the data directory. */
  readonly authorityFiles: AuthorityFiles | null;
  /** A root made here takes the place of the operator's that was used before. Default false. */
  readonly ownInstead?: boolean;
  /** How often certificates are signed. Default: as docs/authority.md says. */
  readonly signingLimits?: SigningLimits;
  readonly federated: readonly FederatedFile[];
  /** Null: Kubernetes' tokens are not taken. */
  readonly tokenReview: TokenReview | null;
}

export interface ControlPlaneOptions {
  readonly configPaths: readonly string[];
  readonly dataDir: string;
  readonly listen: HostPort;
  /** Null: no TLS door, and no identities. */
  readonly identity: IdentityOptions | null;
  readonly listenAdmin: HostPort;
  readonly log: Logger;
  /** What is said of a port that another listener has; default: that it is taken. */
  readonly portTaken?: (port: number) => string;
  /** Default 30 min; 0: streams are never ended by age. */
  readonly maxStreamAgeMs?: number;
  /** Default: real time. */
  readonly clock?: SourceClock;
}

export interface RunningControlPlane {
  readonly port: number;
  /** Null: no TLS door. */
  readonly tlsPort: number | null;
  readonly adminPort: number;
  /** Ends streams in order, so that proxies come back to the next control plane, and closes. */
  close(): Promise<void>;
}

/** This machine only: generous. */
const plainLimits = { maxMessageBytes: 16 * 1024 * 1024, maxStreams: 1_000 };

/** Of the default lease; instances renew it, or register again, within a third of it. */
const heartbeatMs = (defaultTtlSeconds * 1_000) / 3;
const heartbeatSlackMs = 1_500;

/** Rejects with one line when something cannot be had (a path, a port, the data directory, an authority), and with a line for each fault of the configuration when nothing good is known of a part of it. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<RunningControlPlane> {
  const { log, listen, listenAdmin } = options;
  if (!isLoopback(listen.host)) {
    throw new Error(
      `--listen ${listen.host}:${listen.port} is not on loopback: without TLS the control plane serves this machine only; others come by --listen-tls`,
    );
  }
  for (const path of options.configPaths)
    if (!existsSync(path)) throw new Error(`${path}: there is no such file or folder`);
  const { clock = systemSourceClock } = options;
  const after: SourceClock['after'] = (delayMs, callback) => clock.after(delayMs, callback);
  const wallMs = (): number => clock.wallMs();
  const nowMs = (): number => clock.nowMs();
  const startedAt = new Date(wallMs()).toISOString();
  const dataFolder = DataFolder.open(options.dataDir);
  let identity: MeshIdentity | null = null;
  try {
    if (options.identity !== null)
      identity = new MeshIdentity({ ...options.identity, dataFolder, log, nowMs: wallMs, after, random: Math.random });
  } catch (error) {
    dataFolder.close();
    throw error;
  }
  const onRefused = (reason: string): void => identity?.metrics.refused(reason);

  const store = new InstanceStore(dataFolder.path, log, after);
  const builder = new ModelBuilder();
  const snapshots = new ProxySnapshots({ log, after });
  let model: Model | null = null;
  let state: SourceState | null = null;
  const trustDomain = options.identity?.trustDomain ?? '';
  const accounts: ServiceAccounts = (namespace, service) =>
    model?.services.get(`${namespace}/${service}`)?.ports[0]?.definition.serviceAccounts ??
    accountNamedLikeTheService(namespace, service);
  const rebuild = (): void => {
    if (state === null) return;
    const before = model;
    keySets.use(state.resources);
    policyEnds.use(state.resources);
    model = builder.build({
      resources: state.resources,
      instances: registry.instances,
      keySets: keySets.keySets,
      endings: policyEnds.endings,
    });
    logWarnings(log, model, before);
    snapshots.setModel(model);
    // Accounts stand in the definitions of ports.
    if (before !== null && model.routings !== before.routings) xds.checkIdentities();
  };
  const keySets = new KeySetStore({
    fetchUrl: fetch as FetchUrl,
    readFile: (file) => readFileSync(file, 'utf8'),
    after,
    random: Math.random,
    log,
    lastGood: new LastGoodKeySets(options.dataDir, log),
    onChange: rebuild,
  });
  const policyEnds = new PolicyEnds({ wallMs, after, onChange: rebuild });
  const registry = new Registry({
    store,
    nowMs,
    after,
    onChange: rebuild,
    onHeld: (held) => {
      if (held)
        log.warn(
          'no instance is heard of any more: this control plane seems to be cut off; those whose time is over stay until one is heard again',
        );
      else log.info('instances are heard of again; those that stay silent are taken out when their time is over');
    },
    mayBe: ({ namespace, service }, text) =>
      model === null ||
      options.identity === null ||
      accounts(namespace, service).some((account) => serviceAccountId(trustDomain, namespace, account).text === text),
  });
  if (!store.known) snapshots.holdEndpoints(heartbeatMs + heartbeatSlackMs);
  const source = new FileSource(options.configPaths, {
    clock,
    lastGood: new LastGoodFiles(options.dataDir, log),
    onChange: (next) => {
      logFaults(log, next, state);
      state = next;
      rebuild();
    },
  });
  const closeSources = (): void => {
    source.close();
    snapshots.close();
    registry.close();
    policyEnds.close();
  };
  state = source.start();
  if (state.faults.some(({ covered }) => !covered)) {
    closeSources();
    throw new Error(state.faults.map(faultText).join('\n'));
  }
  logFaults(log, state, null);
  rebuild();

  const identityOf = (caller: Caller, namespace: string, service: string, what: string) =>
    identityAs(caller, namespace, service, trustDomain, accounts, what);
  const xds = new XdsService({
    proxies: snapshots,
    secrets: identity?.secrets ?? null,
    identityOf: (caller, { namespace, service }) => identityOf(caller, namespace, service, 'node.cluster'),
    log,
    nowMs,
    wallMs,
    after,
    random: Math.random,
    maxStreamAgeMs: options.maxStreamAgeMs ?? 30 * 60_000,
    onRefused,
    refusalLog: identity?.refusalLog ?? null,
  });
  const csds = new CsdsService(
    () => snapshots.proxies,
    ({ proxy }) => (model === null ? [] : activeFaults(model, proxy)),
  );
  const registryService = new RegistryService(registry, {
    identityOf,
    warningOf: (instance) => (model === null ? '' : registrationWarning(model, instance)),
    log,
    onRefused,
  });
  const counters = new MemoryCounters();
  const rateLimitService = new RateLimitService({
    model: () => model,
    counters,
    wallMs,
    isOf: namespaceCallers(() => model, trustDomain),
  });
  const services = [
    { descriptor: AggregatedDiscoveryService, implementation: xds.implementation },
    { descriptor: ClientStatusDiscoveryService, implementation: csds.implementation },
    { descriptor: RegistryServiceDescriptor, implementation: registryService.implementation },
    { descriptor: RateLimitServiceDescriptor, implementation: rateLimitService.implementation },
  ];
  const plain = grpcServer(services, plainLimits, []);

  const closeAll = (): void => {
    source.close();
    snapshots.close();
    registry.close();
    identity?.close();
    dataFolder.close();
    keySets.close();
    policyEnds.close();
  };
  let port: number;
  let admin: AdminServer;
  let door: OpenTlsDoor | null = null;
  try {
    port = await bind(plain.server, listen).catch((error: Error) => {
      throw new Error(portFault('--listen', listen, error, options));
    });
    if (identity !== null)
      door = await openTlsDoor(options.identity!.listen, {
        identity,
        services: [
          ...services,
          { descriptor: SecretDiscoveryService, implementation: xds.secretImplementation },
          { descriptor: IdentityServiceDescriptor, implementation: identity.service.implementation },
        ],
        after,
      }).catch((error: NodeJS.ErrnoException) => {
        throw new Error(portFault('--listen-tls', options.identity!.listen, error, options));
      });
    const identityAdmin = identity === null ? null : new IdentityAdmin(identity, log);
    admin = await AdminServer.start(listenAdmin, {
      ready: () => model !== null,
      metrics: () =>
        metricsText(
          snapshots,
          registry.instances.length,
          state?.faults.length ?? 0,
          identity === null || door === null
            ? null
            : { identity, connections: door.connections, calls: door.calls, nowMs: wallMs() },
          { answered: rateLimitService.answered, counters: counters.size, evictions: counters.evictions },
        ),
      lists: {
        ...meshLists({
          info: () => ({
            startedAt,
            now: new Date(wallMs()).toISOString(),
            listen: addressText({ host: listen.host, port }),
            listenTls: door === null ? '' : addressText({ host: options.identity!.listen.host, port: door.port }),
            trustDomain,
            configuration: options.configPaths,
          }),
          model: () => model!,
          faults: () => state?.faults ?? [],
          registry,
          snapshots,
          keySets,
        }),
        ...identityAdmin?.lists,
      },
      actions:
        identity === null || identityAdmin === null
          ? null
          : { byPath: identityAdmin.actions, isLocalToken: (text) => identity.isLocalToken(text) },
    }).catch((error: NodeJS.ErrnoException) => {
      throw new Error(portFault('--listen-admin', listenAdmin, error, options));
    });
  } catch (error) {
    plain.server.forceShutdown();
    await door?.close();
    closeAll();
    throw error;
  }
  log.info(
    `serving xDS and registration on ${listen.host}:${port}, ${door === null ? 'without TLS' : `by TLS on ${options.identity!.listen.host}:${door.port} (trust domain ${trustDomain})`}, admin on ${listenAdmin.host}:${admin.port}, data in ${dataFolder.path}`,
  );
  return {
    port,
    tlsPort: door?.port ?? null,
    adminPort: admin.port,
    close: async () => {
      xds.endStreams();
      plain.notServing();
      await Promise.all([shutDown(plain.server, after), door?.close()]);
      closeAll();
      await admin.close();
    },
  };
}

function addressText({ host, port }: HostPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function bind(server: Server, listen: HostPort): Promise<number> {
  const target = addressText(listen);
  return new Promise((resolve, reject) => {
    server.bindAsync(target, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

function portFault(
  flag: string,
  { host, port }: HostPort,
  { code, message }: NodeJS.ErrnoException,
  { portTaken = () => 'the port is taken' }: Pick<ControlPlaneOptions, 'portTaken'>,
): string {
  const taken = code === 'EADDRINUSE' || message.includes('EADDRINUSE');
  return `cannot listen on ${host}:${port}: ${taken ? portTaken(port) : message}; choose another with ${flag}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** What stands in the configuration and comes to nothing: told once, when it begins. */
function logWarnings(log: Logger, model: Model, before: Model | null): void {
  const text = ({ resource, place, message }: Model['warnings'][number]): string =>
    `${place === '' ? '' : `${place}: `}${resource}: ${message}`;
  const known = new Set((before?.warnings ?? []).map(text));
  for (const line of model.warnings.map(text)) if (!known.has(line)) log.warn(line);
}

/** Tells new faults and warnings, and what is in force where something is wrong. */
function logFaults(log: Logger, state: SourceState, before: SourceState | null): void {
  const faultLine = (fault: SourceFault): string =>
    fault.meanwhile === '' ? faultText(fault) : `${faultText(fault)}; ${fault.meanwhile}`;
  const known = new Set([...(before?.faults ?? []).map(faultLine), ...(before?.warnings ?? []).map(faultText)]);
  for (const line of state.faults.map(faultLine)) if (!known.has(line)) log.error(line);
  for (const line of state.warnings.map(faultText)) if (!known.has(line)) log.warn(line);
  if (before !== null && before.faults.length > 0 && state.faults.length === 0)
    log.info('all configuration files are good again');
}
