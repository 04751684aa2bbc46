/**
 * The control plane put together: files and registry → model → snapshots → xDS streams, with the registration API, CSDS, health, reflection and the admin port; behind a plain door for this machine, and a TLS door
 * where everybody has to say who they are. The wiring is here and nowhere else.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { serviceAccountId } from '../certs/spiffe/spiffe-id.ts';
import { trustBundlePem } from '../certs/spiffe/trust-bundle.ts';
import { expose } from '../metrics/exposition.ts';
import { ProcessFigures } from '../metrics/process-figures.ts';
import { Turns } from '../metrics/turns.ts';
import { AggregatedDiscoveryService } from '../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import { LoadReportingService } from '../proto/generated/envoy/service/load_stats/v3/lrs_pb.js';
import { RateLimitService as RateLimitServiceDescriptor } from '../proto/generated/envoy/service/ratelimit/v3/rls_pb.js';
import { SecretDiscoveryService } from '../proto/generated/envoy/service/secret/v3/sds_pb.js';
import { ClientStatusDiscoveryService } from '../proto/generated/envoy/service/status/v3/csds_pb.js';
import { IdentityService as IdentityServiceDescriptor } from '../proto/generated/outrigger/identity/v1/identity_pb.js';
import { ObserveService as ObserveServiceDescriptor } from '../proto/generated/outrigger/observe/v1/observe_pb.js';
import { RegistryService as RegistryServiceDescriptor } from '../proto/generated/outrigger/registry/v1/registry_pb.js';
import { activeFaults } from './admin/active-faults.ts';
import { AdminServer } from './admin/admin-server.ts';
import { IdentityAdmin } from './admin/identity-admin.ts';
import { meshLists } from './admin/mesh-lists.ts';
import { controlPlaneFamilies, type SourceFigures } from './admin/metric-families.ts';
import { resourceName } from './config-kind/resource.ts';
import { ConfigEditor } from './dashboard/config-editor.ts';
import { DashboardFiles } from './dashboard/dashboard-files.ts';
import { EditHistory } from './dashboard/edit-history.ts';
import { DataFolder } from './data-folder/data-folder.ts';
import { boundedCalls } from './door/bounded-calls.ts';
import type { Caller } from './door/caller.ts';
import { grpcServer, shutDown } from './door/grpc-server.ts';
import { type OpenTlsDoor, openTlsDoor } from './door/open-tls-door.ts';
import { RefusalLog } from './door/refusal-log.ts';
import { accountNamedLikeTheService, identityAs, type ServiceAccounts } from './door/service-accounts.ts';
import { IdentityMetrics } from './identity/identity-metrics.ts';
import { type IdentitySettings, MeshIdentity } from './identity/mesh-identity.ts';
import type { LockedKnobs, MeshWide } from './inject/knobs.ts';
import { AuthorityWebhookCertificate, FileWebhookCertificate } from './inject/webhook/webhook-certificate.ts';
import { WebhookServer } from './inject/webhook/webhook-server.ts';
import type { FetchUrl } from './jwks/fetch-key-set.ts';
import { KeySetStore } from './jwks/key-set-store.ts';
import { LastGoodKeySets } from './jwks/last-good-key-sets.ts';
import { LoadStatsService } from './load-stats/load-stats-service.ts';
import type { Model } from './model/model.ts';
import { ModelBuilder } from './model/model-builder.ts';
import { PolicyEnds } from './model/policy-ends.ts';
import { LiveFigures } from './observe/live-figures.ts';
import { ObserveEndpoints } from './observe/observe-endpoints.ts';
import { ObserveHub } from './observe/observe-hub.ts';
import { ObserveService } from './observe/observe-service.ts';
import { sameInstances } from './observe/shared-instances.ts';
import { MemoryCounters } from './ratelimit/counter-store.ts';
import { namespaceCallers } from './ratelimit/namespace-callers.ts';
import { RateLimitService } from './ratelimit/rate-limit-service.ts';
import { type EtcdStoreOptions, openEtcdCounters } from './ratelimit/shared/open-etcd-counters.ts';
import { InstanceStore } from './registry/instance-store.ts';
import { registrationWarning } from './registry/registration-warning.ts';
import { defaultTtlSeconds, Registry } from './registry/registry.ts';
import { RegistryService } from './registry/registry-service.ts';
import { ProxySnapshots } from './snapshot/proxy-snapshots.ts';
import { CombinedSources } from './source/combine-sources.ts';
import type { SourceFault, SourceState } from './source/configuration-files.ts';
import { faultText } from './source/fault.ts';
import { FileSource } from './source/file-source.ts';
import type { KubernetesOptions } from './source/kubernetes/kubernetes-control.ts';
import { LastGoodFiles } from './source/last-good-files.ts';
import { type SourceClock, systemSourceClock } from './source/source-clock.ts';
import type { Egress } from './translate/proxy-node.ts';
import { CsdsService } from './xds-server/csds-service.ts';
import { XdsCounts } from './xds-server/xds-counts.ts';
import { XdsService } from './xds-server/xds-service.ts';

const version = '0.1.0';

interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Of the TLS door and the identities behind it. */
export interface IdentityOptions extends IdentitySettings {
  readonly listen: HostPort;
}

/** Of the webhook that puts sidecars into pods. */
export interface WebhookOptions {
  readonly listen: HostPort;
  /** The operator's; null: the mesh's authority signs one, which takes a TLS door. */
  readonly files: { readonly certificate: string; readonly key: string } | null;
  /** By which the API server calls it. */
  readonly dnsNames: readonly string[];
  /** Knobs for all pods. */
  readonly meshWide: MeshWide;
  /** Knobs that pods have no say in. */
  readonly locked: LockedKnobs;
}

export interface ControlPlaneOptions {
  readonly configPaths: readonly string[];
  readonly dataDir: string;
  readonly listen: HostPort;
  /** Null: no TLS door, and no identities. */
  readonly identity: IdentityOptions | null;
  /** Where control planes share rate limit counters, and nothing else. Default null: each has its own. */
  readonly etcd?: EtcdStoreOptions | null;
  /** Kubernetes as a source beside the files. Default: none. */
  readonly kubernetes?: KubernetesOptions | null;
  readonly listenAdmin: HostPort;
  /** What becomes of redirected connections to places that no Service is at; a proxy's own policy may be tighter. Default: allow. */
  readonly egress?: Egress;
  /** Absent or null: none. */
  readonly webhook?: WebhookOptions | null;
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
  /** Null: no webhook. */
  readonly webhookPort: number | null;
  /** Ends streams in order, so that proxies come back to the next control plane, and closes. */
  close(): Promise<void>;
}

/** This machine only: generous. */
const plainLimits = { maxMessageBytes: 16 * 1024 * 1024, maxStreams: 1_000 };
/** A sidecar has three or so: more of them than a machine has room for. */
const plainCalls = 2_048;

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
  // Both doors', also where one of them is none.
  const { metrics, refusalLog } = identity ?? {
    metrics: new IdentityMetrics(),
    refusalLog: new RefusalLog(log, after),
  };
  const onRefused = (reason: string): void => metrics.refused(reason);

  const authority = identity?.authority;
  const sources = new CombinedSources();
  /** Loaded only where it is asked for. */
  const kubernetes =
    options.kubernetes === undefined || options.kubernetes === null
      ? null
      : new (await import('./source/kubernetes/kubernetes-control.ts')).KubernetesControl({
          ...options.kubernetes,
          dataDir: dataFolder.path,
          trustDomain: options.identity?.trustDomain ?? '',
          clock,
          random: Math.random,
          log,
          mesh: () => (model === null ? null : { model, proxies: snapshots.proxies }),
          onChange: () => onSources(),
          roots: identity === null ? null : () => trustBundlePem(authority!.bundle()),
          webhookByRoots: options.webhook?.files === null,
        });
  authority?.onChange(() => kubernetes?.rootsChanged());
  const store = new InstanceStore(dataFolder.path, log, after);
  const builder = new ModelBuilder();
  const snapshots = new ProxySnapshots({ log, after, nowMs });
  const counts = new XdsCounts();
  const figures = new ProcessFigures(version);
  const turns = new Turns();
  const lastReadMs = { files: 0, kubernetes: 0 };
  let model: Model | null = null;
  let state: SourceState | null = null;
  let files: SourceState | null = null;
  let kubernetesRead: SourceState | null = null;
  const onSources = (): void => {
    if (files === null) return;
    const read = kubernetes?.source.state ?? null;
    if (read !== kubernetesRead) lastReadMs.kubernetes = wallMs();
    kubernetesRead = read;
    const next = sources.state(files, kubernetes?.source.state ?? null);
    logFaults(log, next, state);
    state = next;
    rebuild();
  };
  const trustDomain = options.identity?.trustDomain ?? '';
  const accounts: ServiceAccounts = (namespace, service) => {
    const ofService = model?.services.get(`${namespace}/${service}`)?.ports[0]?.definition.serviceAccounts;
    if (ofService !== undefined) return ofService;
    const ofPods = kubernetes?.source.accountsOfWorkload(namespace, service) ?? [];
    return ofPods.length > 0 ? ofPods : accountNamedLikeTheService(namespace, service);
  };
  const rebuild = (): void => {
    // Half of the sources would take from proxies what the other half says.
    if (state === null || kubernetes?.source.ready === false) return;
    const before = model;
    keySets.use(state.resources);
    policyEnds.use(state.resources);
    model = builder.build({
      resources: state.resources,
      instances: instances(),
      keySets: keySets.keySets,
      endings: policyEnds.endings,
    });
    logWarnings(log, model, before);
    snapshots.setModel(model);
    // Accounts stand in the definitions of ports.
    if (before !== null && model.routings !== before.routings) {
      xds.checkIdentities();
      observeService.checkIdentities();
    }
  };
  const sourceFigures = (): SourceFigures[] => {
    const figure = (name: SourceFigures['name'], { resources, faults: found }: SourceState, more: number) => ({
      ...{ name, resources, faults: found.length + more, lastReadWallMs: lastReadMs[name] },
    });
    return [
      ...(files === null || options.configPaths.length === 0 ? [] : [figure('files', files, 0)]),
      ...(kubernetesRead === null ? [] : [figure('kubernetes', kubernetesRead, kubernetes!.source.apiFaults.length)]),
    ];
  };
  const faults = (): readonly SourceFault[] => [...(state?.faults ?? []), ...(kubernetes?.source.apiFaults ?? [])];
  const instances = () => sources.instances(registry.instances, kubernetes?.source.instances ?? []);
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
  // Of Pods the API server tells, at once.
  if (!store.known && kubernetes === null) snapshots.holdEndpoints(heartbeatMs + heartbeatSlackMs);
  const source = new FileSource(options.configPaths, {
    clock,
    lastGood: new LastGoodFiles(options.dataDir, log),
    onChange: (next) => {
      files = next;
      lastReadMs.files = wallMs();
      onSources();
    },
  });
  const closeSources = (): void => {
    source.close();
    kubernetes?.close();
    snapshots.close();
    registry.close();
    policyEnds.close();
  };
  const read = source.start();
  if (read.faults.some(({ covered }) => !covered)) {
    closeSources();
    throw new Error(read.faults.map(faultText).join('\n'));
  }
  files = read;
  lastReadMs.files = wallMs();
  onSources();
  kubernetes?.start();

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
    refusalLog,
    counts,
    egress: options.egress ?? 'allow',
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
  const hub = new ObserveHub(after);
  const observeService = new ObserveService({ hub, identityOf, log, onRefused, after });
  const liveFigures = new LiveFigures({
    ...{ hub, nowMs, wallMs, after },
    sameInstances: (service) => (model === null ? new Set([service]) : sameInstances(model, service)),
  });
  const live = new ObserveEndpoints({
    hub,
    figures: liveFigures,
    fullName: (name) => fullServiceName(name, model),
    services: () => model?.services.keys() ?? [],
    placeOf: (rule) => placeOfRule(rule, state),
  });
  const etcd = options.etcd ?? null;
  const sharedCounters = etcd === null ? null : openEtcdCounters(etcd, { clock, log });
  const counters = sharedCounters ?? new MemoryCounters();
  const rateLimitService = new RateLimitService({
    model: () => model,
    counters,
    wallMs,
    isOf: namespaceCallers(() => model, trustDomain),
  });
  const loadStats = new LoadStatsService({
    knows: (namespace, service) => model?.services.has(`${namespace}/${service}`) === true,
    identityOf: (caller, { namespace, service }) => identityOf(caller, namespace, service, 'node.cluster'),
    log,
    nowMs,
    onRefused,
  });
  const services = [
    { descriptor: AggregatedDiscoveryService, implementation: xds.implementation },
    { descriptor: ClientStatusDiscoveryService, implementation: csds.implementation },
    { descriptor: RegistryServiceDescriptor, implementation: registryService.implementation },
    { descriptor: LoadReportingService, implementation: loadStats.implementation },
    { descriptor: RateLimitServiceDescriptor, implementation: rateLimitService.implementation },
    { descriptor: ObserveServiceDescriptor, implementation: observeService.implementation },
  ];
  const plain = grpcServer(services, plainLimits, [boundedCalls(plainCalls, onRefused)]);

  const closeAll = async (): Promise<void> => {
    closeSources();
    liveFigures.close();
    identity?.close();
    dataFolder.close();
    keySets.close();
    figures.close();
    await sharedCounters?.close();
  };
  let port = 0;
  let admin: AdminServer | null = null;
  let door: OpenTlsDoor | null = null;
  let webhook: WebhookServer | null = null;
  /** Who is served finds everything. */
  let open = false;
  try {
    // It knows nothing of services: pods are made while these are read.
    if (options.webhook)
      webhook = await openWebhook(options.webhook, identity, { nowMs: wallMs, after }, log).catch(
        (error: NodeJS.ErrnoException) => {
          throw error.syscall === 'listen'
            ? new Error(portFault('--listen-webhook', options.webhook!.listen, error, options))
            : error;
        },
      );
    const identityAdmin = identity === null ? null : new IdentityAdmin(identity, log);
    const configEditor = new ConfigEditor({
      paths: options.configPaths,
      history: new EditHistory(dataFolder.file('edited-configuration.json')),
      wallMs,
      log,
    });
    admin = await AdminServer.start(listenAdmin, {
      ready: () => open,
      metrics: (accept, acceptEncoding) =>
        expose(
          turns,
          () => [
            ...controlPlaneFamilies({
              snapshots,
              counts,
              sources: sourceFigures(),
              instances: registry.instances.length,
              faults: faults().length,
              door:
                identity === null || door === null
                  ? null
                  : { identity, connections: door.connections, calls: door.calls, nowMs: wallMs() },
              limits: {
                answered: rateLimitService.answered,
                counters: counters.size,
                evictions: counters.evictions,
                sharing: sharedCounters?.figures ?? null,
              },
              leftOut: liveFigures.leftOut,
              webhook: webhook?.outcomes ?? null,
              refused: metrics.refusals,
              scrapesFailed: admin!.scrapesFailed,
            }),
            ...figures.families(),
          ],
          accept,
          acceptEncoding,
        ),
      lists: {
        ...meshLists({
          footprints: () => liveFigures.footprints(),
          info: () => ({
            version,
            startedAt,
            now: new Date(wallMs()).toISOString(),
            listen: addressText({ host: listen.host, port }),
            listenTls: door === null ? '' : addressText({ host: options.identity!.listen.host, port: door.port }),
            trustDomain,
            configuration: kubernetes === null ? options.configPaths : [...options.configPaths, kubernetes.url],
          }),
          model: () => model!,
          faults,
          registry: {
            get instances() {
              return instances();
            },
          },
          snapshots,
          keySets,
          loads: () => loadStats.rows(),
        }),
        ...identityAdmin?.lists,
        'config/files': configEditor.files,
      },
      live,
      actions:
        identity === null || identityAdmin === null
          ? null
          : {
              byPath: {
                ...identityAdmin.actions,
                ...configEditor.actions,
                ...live.actions,
                '/api/v1/local-token': () => ({ good: true }),
              },
              longBodies: configEditor.longBodies,
              isLocalToken: (text) => identity.isLocalToken(text),
            },
      dashboard: DashboardFiles.load(),
    }).catch((error: NodeJS.ErrnoException) => {
      throw new Error(portFault('--listen-admin', listenAdmin, error, options));
    });
    if (kubernetes !== null) {
      log.info(`reading ${kubernetes.url}; the doors open when everything has been listed once`);
      await kubernetes.source.whenReady();
    }
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
    open = true;
  } catch (error) {
    plain.server.forceShutdown();
    await Promise.all([door?.close(), webhook?.close()]);
    await admin?.close();
    await closeAll();
    throw error;
  }
  if (sharedCounters !== null) {
    sharedCounters.start();
    log.info(
      "etcd has part in the counters of global rate limits only: the authority's keys, join tokens, registered instances and root rotations are this control plane's own, in its data directory",
    );
  }
  log.info(
    `serving xDS and registration on ${listen.host}:${port}, ${door === null ? 'without TLS' : `by TLS on ${options.identity!.listen.host}:${door.port} (trust domain ${trustDomain})`}, admin on ${listenAdmin.host}:${admin.port}${webhook === null ? '' : `, the injection webhook on ${options.webhook!.listen.host}:${webhook.port}`}, data in ${dataFolder.path}`,
  );
  return {
    port,
    tlsPort: door?.port ?? null,
    adminPort: admin.port,
    webhookPort: webhook?.port ?? null,
    close: async () => {
      xds.endStreams();
      observeService.endStreams();
      loadStats.endStreams();
      plain.notServing();
      await Promise.all([shutDown(plain.server, after), door?.close(), webhook?.close(), kubernetes?.release()]);
      await closeAll();
      await admin.close();
    },
  };
}

/** `orders` stands for the only service of that name; what is not known, or not unique, stays as it is. */
function fullServiceName(name: string, model: Model | null): string {
  if (name === '' || name.includes('/') || model === null) return name;
  const found = [...model.services.values()].filter((service) => service.name === name);
  return found.length === 1 ? `${found[0]!.namespace}/${name}` : name;
}

/** Of `TrafficPolicy shop/payments` its file and line; '': it is in no file. */
function placeOfRule(rule: string, state: SourceState | null): string {
  const found = state?.resources.find((resource) => resourceName(resource) === rule);
  return found === undefined || found.place.line === 0 ? '' : `${found.place.file}:${found.place.line}`;
}

async function openWebhook(
  { listen, files, dnsNames, meshWide, locked }: WebhookOptions,
  identity: MeshIdentity | null,
  timer: { nowMs(): number; after: SourceClock['after'] },
  log: Logger,
): Promise<WebhookServer> {
  if (files === null && identity === null)
    throw new Error(
      '--listen-webhook needs a certificate: the mesh has no authority without --listen-tls; name one with --webhook-certificate and --webhook-key',
    );
  const certificate =
    files === null
      ? new AuthorityWebhookCertificate(identity!.authority, dnsNames, timer, log)
      : new FileWebhookCertificate(files, timer, log);
  try {
    return await WebhookServer.start(listen, { certificate, meshWide, locked, log });
  } catch (error) {
    certificate.close();
    throw error;
  }
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
