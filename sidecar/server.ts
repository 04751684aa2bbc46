/**
 * The sidecar put together: bootstrap → clusters, listeners, xDS client, admin. The wiring is here and nowhere else. What each part does stands in its folder.
 */
import type { Exposition } from '../metrics/exposition.ts';
import { AccessLogFiles } from './access-log/access-log-sink.ts';
import { configuredLogServices, configuredLogs } from './access-log/configured-logs.ts';
import { type AdminContext, AdminServer, type ServerState } from './admin/admin-server.ts';
import { AppHealth } from './app-health/app-health.ts';
import type { AppProbe } from './app-health/app-probe.ts';
import type { ProbeOutcome } from './app-health/ask-application.ts';
import { Leaving } from './app-health/leaving.ts';
import { certificateReadiness } from './certificate-readiness.ts';
import { certificatesInUse, measureExpiry } from './certificates.ts';
import { BreakerRegistry } from './circuit-breaker/breaker-registry.ts';
import { breakerJson } from './circuit-breaker/breaker-status.ts';
import { ClusterManager } from './cluster/cluster-manager.ts';
import { clustersJson, clustersText } from './cluster/cluster-status.ts';
import type { Configuration } from './config/configuration.ts';
import { configurationSecrets } from './config/secret-references.ts';
import { configDump } from './config-dump.ts';
import { HttpConnectionManager } from './connection-manager/http-connection-manager.ts';
import type { HttpContext } from './connection-manager/http-context.ts';
import { labelOverflow, RequestMetricBounds } from './connection-manager/request-metric-bounds.ts';
import { SourceLabels } from './connection-manager/source-labels.ts';
import { StaleRequestMetrics } from './connection-manager/stale-request-metrics.ts';
import { credentialsInUse, plaintextListeners } from './credential-status.ts';
import type { DnsListeners } from './dns/dns-listeners.ts';
import { Drain, type DrainWait } from './drain.ts';
import { ExpiryWarnings } from './expiry-warnings.ts';
import { SharedGates } from './filters/shared-gates.ts';
import type { IdentityConfig } from './identity/identity-config.ts';
import type { IdentityStatus } from './identity/identity-status.ts';
import { localSecretNames } from './identity/local-secrets.ts';
import type { SidecarIdentity } from './identity/sidecar-identity.ts';
import { BindRetry } from './listener/bind-retry.ts';
import type { BindFault } from './listener/bound-socket.ts';
import { Crowding } from './listener/crowding.ts';
import { ListenerManager } from './listener/listener-manager.ts';
import { listenersJson, listenersText } from './listener/listener-status.ts';
import { openFilesLimit } from './listener/open-files-limit.ts';
import { portHolder, takenBy } from './listener/port-holder.ts';
import { clustersWithCertificate } from './observe/clusters-with-certificate.ts';
import type { Observation } from './observe/observation.ts';
import { PublishedConfiguration } from './published-configuration.ts';
import { FlightRecorder } from './recorder/flight-recorder.ts';
import { RouteMemory } from './router/route-memory.ts';
import type { Clock, Random } from './runtime/clock.ts';
import type { Log } from './runtime/log.ts';
import { TimerWheel } from './runtime/timer-wheel.ts';
import { version } from './runtime/version.ts';
import { FileSecrets } from './secret/file-secrets.ts';
import { SecretStore } from './secret/secret-store.ts';
import type { ScrapeRequest, Scrapes } from './stats/scrapes.ts';
import { StatStore } from './stats/stat-store.ts';
import type { TcpProxy } from './tcp-proxy/tcp-proxy.ts';
import type { SpanExporters } from './tracing/export/span-exporters.ts';
import type { ConnectFailure } from './transport/connect.ts';
import { OwnConnections } from './transport/own-connections.ts';
import { AdsClient } from './xds/ads/ads-client.ts';
import { ClusterAdsTransport } from './xds/ads/ads-stream.ts';
import type { LoadedBootstrap } from './xds/bootstrap-file.ts';
import type { LoadReporter } from './xds/lrs/load-reporter.ts';
import { refersToServices, SecretServices } from './xds/sds/secret-services.ts';
import { loadSecretFile } from './xds/secret-file.ts';

/** How long the spans of the last requests may take on their way when the process ends. */
const lastSpansMs = 1500;

export interface SidecarOptions {
  readonly bootstrap: LoadedBootstrap;
  /** Port for scrapers and probes; null: none. */
  readonly probeAddress: { readonly host: string; readonly port: number } | null;
  /** Who shows it may change something by the admin port from anywhere; absent or '': only this machine may. */
  readonly adminToken?: string;
  readonly drainTimeMs: number;
  /** In a network of its own: where sockets lead to instances on the loopback of the machine around it. Absent: there is one loopback. */
  readonly hostLoopbackFolder?: string;
  /** Absent or null: it has no identity of its own. */
  readonly identity?: IdentityConfig | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What records of recent requests may take; 0: none are kept. Default 4 MiB. */
  readonly flightRecorderBytes?: number;
  /** Cluster of a control plane that may ask about traffic (outrigger.observe.v1). Absent: nobody does. */
  readonly observedBy?: string;
  /** For /server_info. */
  readonly commandLine: Readonly<Record<string, string>>;
  /** The process may end: drained, or told to quit. */
  readonly onStopped: () => void;
  /** Everything is bound and warm. */
  readonly onReady: () => void;
  /** Listeners could not be bound before it was ready. With this it never is; absent: it goes on without them, and tries again. Of a static bootstrap start() rejects in any case. */
  readonly onFirstBindFaults?: (faults: readonly BindFault[]) => void;
  /** The identity's proof was turned down for good, and there is no certificate. Absent: it goes on asking. */
  readonly onProofDenied?: (why: string) => void;
  /** A connection to a host of that cluster could not be made. */
  readonly onConnectFailed?: (clusterName: string, reason: ConnectFailure) => void;
  /** Listeners may be there that were not, or the other way round. */
  readonly onListenersChanged?: () => void;
  /** Before it finishes what callers have in hand, when it is told to leave (POST /leave): out of the registry. */
  readonly onLeave?: () => Promise<void>;
  /** Made in the kubelet's place, by path on the probe port. Absent: none. */
  readonly appProbes?: ReadonlyMap<string, AppProbe>;
  /** Where the application may listen beside 127.0.0.1; absent or '': nowhere. */
  readonly podAddress?: string;
}

/** How long the end of a sidecar waits for log entries that are under way. */
const logFarewellMs = 500;

export class Sidecar implements AdminContext {
  readonly #options: SidecarOptions;
  readonly log: Log;
  readonly stats = new StatStore();
  readonly wheel: TimerWheel;
  readonly breakers: BreakerRegistry;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly accessLogs: AccessLogFiles;
  readonly secrets: SecretStore;
  readonly recorder: FlightRecorder;
  readonly #fileSecrets: FileSecrets;
  readonly #expiryWarnings: ExpiryWarnings;
  readonly #secretServices: SecretServices;
  readonly #published: PublishedConfiguration;
  readonly #ads: AdsClient | null;
  #identity: SidecarIdentity | null = null;
  /** Null: load is reported to nobody. */
  #loadReporter: LoadReporter | null = null;
  readonly #startedMs: number;
  /** Null: no configuration has asked for it. */
  #tcpProxy: { readonly TcpProxy: typeof TcpProxy } | null = null;
  /** Null: no configuration has asked for it. */
  #dns: DnsListeners | null = null;
  /** Null: no configuration has asked for them. */
  #exporters: SpanExporters | null = null;
  /** Null: nobody observes it, or it is not ready yet. */
  #observation: Observation | null = null;
  /** Null: nobody has scraped. */
  #scrapes: Scrapes | null = null;
  #admin: AdminServer | null = null;
  #probe: AdminServer | null = null;
  #state: ServerState = 'PRE_INITIALIZING';
  #healthcheckFailed = false;
  #initialized = false;
  #stopped = false;
  /** It drains for the last time. */
  #ending = false;
  /** Until when it may take to leave; -1: it does not. */
  #leaveUntilMs = -1;
  readonly #bindRetry: BindRetry;
  readonly #leaving: Leaving;
  readonly #appHealth: AppHealth;
  /** Binding under way; the last of them says when everything is bound. */
  #binding: Promise<unknown> = Promise.resolve();

  constructor(options: SidecarOptions) {
    const { bootstrap, clock, random, log } = options;
    this.#options = options;
    this.log = log;
    this.#startedMs = clock.nowMs();
    this.wheel = new TimerWheel(clock);
    this.accessLogs = new AccessLogFiles(this.stats, log, clock, process, this.wheel);
    this.recorder = new FlightRecorder({
      service: bootstrap.config.node.cluster,
      nodeId: bootstrap.config.node.id,
      stats: this.stats,
      // A service with up to a hundred requests a second has all of them explained.
      samplesPerSecond: 100,
      ...(options.flightRecorderBytes === undefined ? {} : { maxBytes: options.flightRecorderBytes }),
    });
    this.secrets = new SecretStore(clock, (options.identity ?? null) === null ? new Set() : localSecretNames);
    this.#fileSecrets = new FileSecrets({ store: this.secrets, wheel: this.wheel, log, loadSdsFile: loadSecretFile });
    const { secrets, stats, wheel } = this;
    this.breakers = new BreakerRegistry({ stats, clock, random, log });
    const { breakers } = this;
    const ownConnections = new OwnConnections();
    this.clusters = new ClusterManager({
      ...{ stats, clock, wheel, random, secrets, log, breakers, ownConnections },
      ...(options.hostLoopbackFolder === undefined ? {} : { hostLoopbackFolder: options.hostLoopbackFolder }),
      onConnectFailed: (cluster, reason) => {
        if (reason === 'tls' && cluster === options.identity?.clusterName)
          this.#identity?.doubt('no TLS with the control plane');
        options.onConnectFailed?.(cluster, reason);
      },
    });
    this.#secretServices = new SecretServices({
      node: bootstrap.config.node,
      secrets,
      transport: (source) => new ClusterAdsTransport(this.clusters, source),
      clock,
      wheel,
      random,
      log,
      stats,
    });
    const staleMetrics = new StaleRequestMetrics({
      stats: this.stats,
      wheel: this.wheel,
      localService: bootstrap.config.node.cluster,
    });
    const sharedGates = new SharedGates(stats);
    this.#published = new PublishedConfiguration(
      this.clusters,
      [breakers, sharedGates],
      this.#fileSecrets,
      (binding) => {
        staleMetrics.apply(this.#published.current);
        this.#exporters?.retain(this.#published.current);
        this.accessLogs.services?.retain(
          configuredLogServices([...this.#published.current.listeners.values()].map(({ value }) => value)),
        );
        this.#expiryWarnings.changed();
        this.#bound(binding);
      },
    );
    this.#expiryWarnings = new ExpiryWarnings({
      configuration: () => this.#published.current,
      secrets,
      clock,
      wheel,
      log,
    });
    const context: HttpContext = {
      clusters: this.clusters,
      routeTables: this.#published,
      breakers,
      sharedGates,
      stats: this.stats,
      clock,
      wheel: this.wheel,
      random,
      log,
      localService: bootstrap.config.node.cluster,
      nodeId: bootstrap.config.node.id,
      recorder: this.recorder,
      hasIdentity: (options.identity ?? null) !== null,
      accessLogSinks: this.accessLogs,
      spanSinks: { sink: (provider) => this.#exporters!.sink(provider) },
      sourceLabels: new SourceLabels(labelOverflow(stats, 'source')),
      metricBounds: new RequestMetricBounds(stats),
      routeMemory: new RouteMemory(),
    };
    this.listeners = new ListenerManager(
      { ...context, secrets, log, ownConnections },
      {
        crowding: new Crowding(clock, log, openFilesLimit),
        prepare: (configuration) => this.#loadCode(configuration),
        others: () => this.#dns,
        createConnectionManager: (chain, listener) =>
          chain.httpConnectionManager === null
            ? new this.#tcpProxy!.TcpProxy(chain, listener, context)
            : new HttpConnectionManager(
                chain.httpConnectionManager,
                context,
                listener.direction,
                listener.bufferLimitBytes,
                listener.name,
              ),
      },
    );
    this.#published.connectListeners(this.listeners);
    this.#bindRetry = new BindRetry(this.wheel, random, () => this.#published.bindAgain());
    this.#leaving = new Leaving(this.wheel, async () => {
      await options.onLeave?.();
      await new Promise<void>((resolve) => this.leave(resolve));
    });
    const { appProbes: probes = new Map(), podAddress = '' } = options;
    this.#appHealth = new AppHealth({ probes, podAddress, clock, wheel: this.wheel });
    this.#ads = this.#createAds();
    this.#secretServices.onSettled = () => this.#ads?.secretsChanged();
  }

  /** Code that not every sidecar needs comes when a configuration first asks for it, so that the others pay no memory for it. */
  #loadCode(configuration: Configuration): Promise<unknown> | null {
    const loading = [
      this.#loadTcpProxy(configuration),
      this.#loadDns(configuration),
      this.#loadExporters(configuration),
      this.#loadLogServices(configuration),
    ].filter((each) => each !== null);
    return loading.length === 0 ? null : Promise.all(loading);
  }

  #loadLogServices({ listeners }: Configuration): Promise<void> | null {
    const wanted = configuredLogServices([...listeners.values()].map(({ value }) => value));
    if (this.accessLogs.services !== null || wanted.length === 0) return null;
    const { bootstrap, clock, random, drainTimeMs } = this.#options;
    const { clusters, stats, wheel, log } = this;
    const { node } = bootstrap.config;
    return import('./access-log/service/log-services.ts').then(({ LogServices }) => {
      const init = {
        clusters,
        node,
        stats,
        clock,
        wheel,
        random,
        log,
        farewellMs: logFarewellMs,
        lingerMs: drainTimeMs,
      };
      this.accessLogs.services ??= new LogServices(init);
    });
  }

  #loadDns({ listeners }: Configuration): Promise<void> | null {
    if (this.#dns !== null || ![...listeners.values()].some(({ value }) => value.dns !== undefined)) return null;
    const { clock } = this.#options;
    const { wheel, stats, log } = this;
    return import('./dns/dns-listeners.ts').then((module) => {
      this.#dns ??= new module.DnsListeners({ clock, wheel, stats, log });
    });
  }

  #loadExporters(configuration: Configuration): Promise<void> | null {
    if (this.#exporters !== null || !exportsSpans(configuration)) return null;
    const { bootstrap, clock, random, drainTimeMs: lingerMs } = this.#options;
    const { cluster: service, id: instance } = bootstrap.config.node;
    const { clusters, wheel, log, stats } = this;
    return import('./tracing/export/span-exporters.ts').then((module) => {
      this.#exporters ??= new module.SpanExporters({
        ...{ clusters, clock, wheel, random, log, stats, service, instance },
        ...{ version, lingerMs },
      });
    });
  }

  #loadTcpProxy({ listeners }: Configuration): Promise<void> | null {
    if (this.#tcpProxy !== null) return null;
    for (const { value } of listeners.values())
      for (const chain of [...value.filterChains, value.defaultFilterChain])
        if ((chain?.tcpProxy ?? null) !== null)
          return import('./tcp-proxy/tcp-proxy.ts').then((module) => {
            this.#tcpProxy = module;
          });
    return null;
  }

  #createAds(): AdsClient | null {
    const { bootstrap, clock, random, log } = this.#options;
    const { config } = bootstrap;
    if (config.ads === null) return null;
    return new AdsClient({
      config: config.ads,
      node: config.node,
      listenersByAds: config.listenersByAds,
      clustersByAds: config.clustersByAds,
      initialFetchTimeoutMs: config.initialFetchTimeoutMs,
      staticListeners: bootstrap.listeners,
      staticClusters: bootstrap.clusters,
      transport: new ClusterAdsTransport(this.clusters, config.ads),
      sink: this.#published,
      secrets: this.secrets,
      secretServices: this.#secretServices,
      onInitialized: () => this.#onInitialized(),
      clock,
      wheel: this.wheel,
      random,
      log,
      stats: this.stats,
    });
  }

  /** Binds admin and listeners, and begins to serve. Rejects with one line per fault when something cannot be bound at the start. */
  async start(): Promise<void> {
    const { bootstrap, probeAddress } = this.#options;
    const { admin } = bootstrap.config;
    this.#state = 'INITIALIZING';
    this.#checkAccessLogs();
    if (admin !== null) this.#admin = await bindPort('admin', admin, this, this.#options.adminToken);
    if (probeAddress !== null) this.#probe = await bindPort('probe', probeAddress, this);
    if (this.#ads !== null) {
      const identity = this.#options.identity ?? null;
      if (identity === null) this.#ads.start();
      else await this.#startIdentity(identity, this.#ads);
      return;
    }
    await this.#applyStatic({
      listeners: bootstrap.listeners,
      clusters: bootstrap.clusters,
      routeTables: new Map(),
      assignments: new Map(),
    });
    const faults = (await this.#binding) as readonly BindFault[];
    if (faults.length > 0) throw new Error(faults.map((fault) => fault.message).join('\n'));
    this.#onInitialized();
  }

  /** Throws with a line for each access log of the bootstrap that cannot be written. */
  #checkAccessLogs(): void {
    const logs = configuredLogs(this.#options.bootstrap.config.listeners);
    const paths = new Set(logs.flatMap(({ sink }) => (sink.kind === 'file' ? [sink.path] : [])));
    const faults = [...paths].map((path) => this.accessLogs.fileFault(path)).filter((fault) => fault !== null);
    if (faults.length > 0) throw new Error(faults.join('\n'));
  }

  /** The identity comes first: nothing is asked for, and nothing is ready, before there is a certificate. Its code is loaded only here. */
  async #startIdentity(config: IdentityConfig, ads: AdsClient): Promise<void> {
    const { bootstrap, clock, random, onProofDenied } = this.#options;
    const { SidecarIdentity: Identity } = await import('./identity/sidecar-identity.ts');
    if (this.#stopped) return;
    // The way to the control plane.
    this.clusters.apply({ ...this.#published.current, clusters: bootstrap.clusters });
    this.#identity = new Identity({
      config,
      secrets: this.secrets,
      clusters: this.clusters,
      clock,
      wheel: this.wheel,
      random,
      log: this.log,
      stats: this.stats,
      onFirstCertificate: () => ads.start(),
      ...(onProofDenied === undefined ? {} : { onProofDenied }),
      onRenewed: () => this.clusters.renewConnections(config.clusterName),
    });
    this.#identity.start();
  }

  /**
   * Listeners open once the secrets that come by SDS are here, or have had their time, and every host that is checked was checked once (Envoy's init manager); the services that give secrets are
   * reached through the clusters.
   */
  async #applyStatic(configuration: Configuration): Promise<void> {
    const secrets = refersToServices(configuration);
    const checks = [...configuration.clusters.values()].some(({ value }) => (value.healthCheck ?? null) !== null);
    if (secrets || checks) this.#published.apply({ ...configuration, listeners: new Map() });
    if (secrets) {
      this.#secretServices.want(configurationSecrets(configuration));
      await this.#secretServices.allSettled();
    }
    if (checks) await this.clusters.hostsChecked();
    if (this.#stopped) return;
    this.#published.apply(configuration);
  }

  get probePort(): number {
    return this.#probe?.port ?? 0;
  }

  get adminPort(): number {
    return this.#admin?.port ?? 0;
  }

  #bound(binding: Promise<readonly BindFault[]>): void {
    this.#binding = binding.then((faults) => {
      const { onFirstBindFaults } = this.#options;
      if (faults.length > 0 && !this.#initialized && this.#ads !== null && onFirstBindFaults !== undefined) {
        this.#initialized = true;
        onFirstBindFaults(faults);
        return faults;
      }
      // A listener that came by xDS and cannot be bound is told and refused; the others go on. At the start of a static bootstrap, start() rejects instead.
      this.#ads?.listenersApplied(faults);
      this.#bindRetry.attempted(faults);
      this.#options.onListenersChanged?.();
      return faults;
    });
  }

  #onInitialized(): void {
    void this.#fileSecrets.whenRead().then(async () => {
      await this.#binding;
      if (this.#initialized || this.#stopped) return;
      this.#initialized = true;
      if (this.#state === 'INITIALIZING') this.#state = 'LIVE';
      this.log.info(`ready after ${Math.round(this.#options.clock.nowMs() - this.#startedMs)} ms`);
      this.#options.onReady();
      await this.#reportLoad();
      await this.#openToObservation();
    });
  }

  /** After all that traffic needs; its code is loaded only here. */
  async #openToObservation(): Promise<void> {
    const { observedBy, bootstrap, clock, random } = this.#options;
    if (observedBy === undefined) return;
    const { Observation: Opened } = await import('./observe/observation.ts');
    const { ownFootprint } = await import('./observe/own-footprint.ts');
    if (this.#stopped) return;
    this.#observation = new Opened({
      clusters: this.clusters,
      clusterName: observedBy,
      node: bootstrap.config.node,
      sources: {
        requests: this.recorder,
        stats: () => this.stats,
        breakers: () => this.breakers.dump(),
        footprint: ownFootprint,
        clustersWithCertificate: () => clustersWithCertificate(this.#published.current),
        forceBreaker: (name, to) => this.breakers.force(name, to),
      },
      ...{ clock, wheel: this.wheel, random, log: this.log },
    });
    this.#observation.start();
  }

  /** Once it serves: who is to hear of load may wait until there is some. */
  async #reportLoad(): Promise<void> {
    const { bootstrap, clock, random } = this.#options;
    const { loadReports: source = null, node } = bootstrap.config;
    if (source === null) return;
    const { LoadReporter: Reporter } = await import('./xds/lrs/load-reporter.ts');
    if (this.#stopped) return;
    const { clusters, wheel, log, stats } = this;
    this.#loadReporter = new Reporter({ source, node, clusters, clock, wheel, random, log, stats });
    this.#loadReporter.start();
  }

  /** Finishes what callers have in hand, within the drain time, and goes on serving: the application ends after this. `onLeft`: callers have heard, and nothing is in hand. */
  leave(onLeft: () => void): void {
    if (this.#state === 'DRAINING' || this.#stopped) {
      onLeft();
      return;
    }
    const { drainTimeMs, clock } = this.#options;
    this.#leaveUntilMs = clock.nowMs() + drainTimeMs;
    this.#startDrain('inbound-requests', drainTimeMs, onLeft);
  }

  /** SIGTERM: finishes what is in hand, within the drain time, then stops. `applicationGone`: idle connections are of no use any more, and not waited for. */
  drain(applicationGone = false): void {
    if (this.#ending || this.#stopped) return;
    this.#ending = true;
    const { clock, drainTimeMs } = this.#options;
    const waitFor = applicationGone ? 'requests' : 'connections';
    const quit = (): void => this.quit();
    if (this.#leaveUntilMs < 0) this.#startDrain(waitFor, drainTimeMs, quit);
    // Callers heard of it before the application did.
    else this.#startDrain(waitFor, Math.max(0, this.#leaveUntilMs - clock.nowMs()), quit, 0);
  }

  #startDrain(waitFor: DrainWait, drainTimeMs: number, done: () => void, settleMs?: number): void {
    this.#state = 'DRAINING';
    const { wheel, log } = this;
    log.info(`draining for at most ${Math.round(drainTimeMs / 100) / 10} s`);
    new Drain(this.listeners, {
      ...{ waitFor, drainTimeMs, clock: this.#options.clock, wheel, log, done },
      ...(settleMs === undefined ? {} : { settleMs }),
    });
  }

  // -- AdminContext --

  state(): ServerState {
    return this.#healthcheckFailed && this.#state === 'LIVE' ? 'DRAINING' : this.#state;
  }

  wallMs(): number {
    return this.#options.clock.wallMs();
  }

  readiness(): { readonly ready: boolean; readonly text: string } {
    const state = this.state();
    if (state !== 'LIVE') return { ready: false, text: state };
    const nowWallMs = this.#options.clock.wallMs();
    const { blocked, warnings } = certificateReadiness(this.#published.current, this.secrets, nowWallMs);
    return blocked === ''
      ? { ready: true, text: [state, ...warnings.map((each) => `warning: ${each}`)].join('\n') }
      : { ready: false, text: `NO_VALID_CERTIFICATE\nno caller can be served: ${blocked}` };
  }

  serverInfo(): unknown {
    const { bootstrap, clock, commandLine } = this.#options;
    const uptime = `${Math.floor((clock.nowMs() - this.#startedMs) / 1000)}s`;
    const { id, cluster, region, zone, subZone, metadata } = bootstrap.config.node;
    return {
      version: `outrigger/${version}/node-${process.versions.node}`,
      state: this.state(),
      uptime_current_epoch: uptime,
      uptime_all_epochs: uptime,
      hot_restart_version: 'disabled',
      command_line_options: commandLine,
      node: { id, cluster, metadata, locality: { region, zone, sub_zone: subZone }, user_agent_name: 'outrigger' },
      ...this.#identityShown(),
    };
  }

  #identityShown(): { readonly identity?: IdentityStatus } {
    return this.#identity === null ? {} : { identity: this.#identity.status() };
  }

  clustersText(): string {
    return clustersText(this.clusters.dump());
  }

  clustersJson(): unknown {
    return clustersJson(this.clusters.dump());
  }

  listenersText(): string {
    return listenersText(this.listeners.dump());
  }

  listenersJson(): unknown {
    return listenersJson(this.listeners.dump());
  }

  circuitBreakersJson(): unknown {
    return { circuit_breakers: this.breakers.dump().map(breakerJson) };
  }

  forceBreaker(name: string, to: 'open' | 'closed' | null): boolean {
    return this.breakers.force(name, to);
  }

  configDump(query: {
    readonly resource: string;
    readonly nameFilter: RegExp | null;
    readonly includeEds: boolean;
  }): unknown {
    const dump = configDump({
      bootstrap: this.#options.bootstrap.message,
      configuration: this.#published.current,
      secretReferences: configurationSecrets(this.#published.current),
      secrets: this.secrets,
      refused: new Map([...(this.#ads?.states ?? [])].map((state) => [state.type.label, state.refused])),
      includeEds: query.includeEds || query.resource === 'dynamic_endpoint_configs',
      nameFilter: query.nameFilter,
    });
    if (query.resource === '') return dump;
    return { configs: dump.configs.flatMap((section) => (section[query.resource] as unknown[] | undefined) ?? []) };
  }

  certificates(): unknown {
    return {
      certificates: certificatesInUse(this.#published.current, this.secrets, this.#options.clock.wallMs()),
      credentials: credentialsInUse(this.#published.current, this.secrets),
      plaintext_listeners: plaintextListeners(this.#published.current),
      ...this.#identityShown(),
    };
  }

  refreshStats(): void {
    const { clock } = this.#options;
    this.clusters.collect();
    this.breakers.refresh();
    measureExpiry(this.#published.current, this.secrets, clock.wallMs(), this.stats);
    this.stats.gauge('server.uptime').set(Math.floor((clock.nowMs() - this.#startedMs) / 1000));
    this.stats.gauge('server.live').set(this.state() === 'LIVE' ? 1 : 0);
    this.stats.gauge('server.memory_allocated').set(process.memoryUsage().heapUsed);
    this.stats.gauge('server.memory_physical_size').set(process.memoryUsage.rss());
    this.stats.gauge('flight_recorder.records').set(this.recorder.size);
    this.stats.gauge('flight_recorder.bytes').set(this.recorder.bytes);
    this.stats.gauge('listener_manager.total_listeners_active').set(this.listeners.dump().length);
  }

  async scrape(request: ScrapeRequest): Promise<Exposition> {
    const { Scrapes: ScrapesNow } = await import('./stats/scrapes.ts');
    this.#scrapes ??= new ScrapesNow(this.stats, version);
    this.refreshStats();
    return this.#scrapes.answer(request);
  }

  drainListeners(graceful: boolean, inboundOnly: boolean): void {
    const direction = inboundOnly ? 'inbound' : 'all';
    this.log.info(
      `draining ${inboundOnly ? 'inbound ' : ''}listeners${graceful ? ' gracefully' : ''} (asked for by the admin endpoint)`,
    );
    if (graceful) this.listeners.drain(direction);
    else void this.listeners.stopAccepting(direction);
  }

  setHealthcheckFailed(failed: boolean): void {
    this.#healthcheckFailed = failed;
  }

  leaveMesh(): Promise<void> {
    return this.#leaving.begin();
  }

  whenLeft(): Promise<boolean> {
    return this.#leaving.whenLeft();
  }

  probeApplication(path: string, userAgent: string): Promise<ProbeOutcome | null> {
    return this.#appHealth.ask(path, userAgent);
  }

  quit(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#observation?.close();
    this.#ads?.close();
    this.#loadReporter?.close();
    this.#bindRetry.close();
    this.#fileSecrets.close();
    this.#expiryWarnings.close();
    this.#secretServices.close();
    void this.listeners.closeAll().then(async () => {
      await this.#exporters?.close(lastSpansMs);
      // Only now, as nobody is served any more: what this certificate is good for is no concern of a rotation's from here on.
      if (this.#identity !== null) await new Promise<void>((resolve) => this.#identity!.leave(resolve));
      await this.accessLogs.close();
      this.clusters.destroyAll();
      this.#scrapes?.close();
      await Promise.all([this.#admin?.close(), this.#probe?.close()]);
      this.#options.onStopped();
    });
  }
}

function exportsSpans({ listeners }: Configuration): boolean {
  for (const { value } of listeners.values())
    for (const chain of [...value.filterChains, value.defaultFilterChain])
      if ((chain?.httpConnectionManager?.tracing?.provider ?? null) !== null) return true;
  return false;
}

async function bindPort(
  kind: 'admin' | 'probe',
  address: { readonly host: string; readonly port: number },
  context: AdminContext,
  adminToken?: string,
): Promise<AdminServer> {
  try {
    return await AdminServer.start(kind, address, context, adminToken);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const flag = kind === 'admin' ? '--admin' : '--listen-metrics';
    throw new Error(
      `cannot listen on ${address.host}:${address.port} (${kind}): ${code === 'EADDRINUSE' ? takenBy(portHolder(address.port)) : message}; choose another with ${flag}`,
      { cause: error },
    );
  }
}
