/**
 * The control plane put together: files and registry → model → snapshots → xDS streams, with the registration API, CSDS, health, reflection and the admin port. The wiring is
 * here and nowhere else.
 */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import { AggregatedDiscoveryService } from '../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import { ClientStatusDiscoveryService } from '../proto/generated/envoy/service/status/v3/csds_pb.js';
import { Health } from '../proto/generated/health/v1/health_pb.js';
import { RegistryService as RegistryServiceDescriptor } from '../proto/generated/outrigger/registry/v1/registry_pb.js';
import { grpcService, reflectionPackage } from '../proto/grpc-service.ts';
import { AdminServer } from './admin/admin-server.ts';
import { metricsText } from './admin/metrics-text.ts';
import type { Model } from './model/model.ts';
import { ModelBuilder } from './model/model-builder.ts';
import { listEndpoints, listRoutes, listServices } from './model/model-lists.ts';
import { InstanceStore } from './registry/instance-store.ts';
import { defaultTtlSeconds, Registry } from './registry/registry.ts';
import { RegistryService } from './registry/registry-service.ts';
import { ProxySnapshots } from './snapshot/proxy-snapshots.ts';
import type { SourceFault, SourceState } from './source/configuration-files.ts';
import { faultText } from './source/fault.ts';
import { FileSource } from './source/file-source.ts';
import { LastGoodFiles } from './source/last-good-files.ts';
import { systemSourceClock } from './source/source-clock.ts';
import { CsdsService } from './xds-server/csds-service.ts';
import { XdsService } from './xds-server/xds-service.ts';

interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface ControlPlaneOptions {
  readonly configPaths: readonly string[];
  /** Null: registered instances, and the last good content of broken files, do not survive a restart. */
  readonly dataDir: string | null;
  readonly listen: HostPort;
  readonly listenAdmin: HostPort;
  readonly log: Logger;
  /** Default 30 min; 0: streams are never ended by age. */
  readonly maxStreamAgeMs?: number;
}

export interface RunningControlPlane {
  readonly port: number;
  readonly adminPort: number;
  /** Ends streams in order, so that proxies come back to the next control plane, and closes. */
  close(): Promise<void>;
}

/** Of the default lease; instances renew it, or register again, within a third of it. */
const heartbeatMs = (defaultTtlSeconds * 1_000) / 3;
const heartbeatSlackMs = 1_500;

const services = [AggregatedDiscoveryService, ClientStatusDiscoveryService, RegistryServiceDescriptor];
const healthNames = ['', ...services.map((service) => service.typeName)];

/** Rejects with one line when something cannot be had (a path, a port, the data directory), and with a line for each fault of the configuration when nothing good is known of a part of it. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<RunningControlPlane> {
  const { log, listen, listenAdmin } = options;
  if (!isLoopback(listen.host)) {
    throw new Error(
      `--listen ${listen.host}:${listen.port} is not on loopback: without TLS the control plane serves this machine only, and TLS (--listen-tls) is not built yet`,
    );
  }
  for (const path of options.configPaths)
    if (!existsSync(path)) throw new Error(`${path}: there is no such file or folder`);
  const { after } = systemSourceClock;
  const store = new InstanceStore(options.dataDir, log, after);
  const builder = new ModelBuilder();
  const snapshots = new ProxySnapshots({ log, after });
  let model: Model | null = null;
  let state: SourceState | null = null;
  const rebuild = (): void => {
    if (state === null) return;
    const before = model;
    model = builder.build({ resources: state.resources, instances: registry.instances });
    logWarnings(log, model, before);
    snapshots.setModel(model);
  };
  const registry = new Registry({ store, nowMs: () => performance.now(), after, onChange: rebuild });
  if (!store.known) snapshots.holdEndpoints(heartbeatMs + heartbeatSlackMs);
  const source = new FileSource(options.configPaths, {
    clock: systemSourceClock,
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
  };
  state = source.start();
  if (state.faults.some(({ covered }) => !covered)) {
    closeSources();
    throw new Error(state.faults.map(faultText).join('\n'));
  }
  logFaults(log, state, null);
  rebuild();

  const xds = new XdsService({
    proxies: snapshots,
    log,
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    after,
    random: Math.random,
    maxStreamAgeMs: options.maxStreamAgeMs ?? 30 * 60_000,
  });
  const csds = new CsdsService(() => snapshots.proxies);
  const health = new HealthImplementation(Object.fromEntries(healthNames.map((name) => [name, 'SERVING' as const])));
  const server = new Server({
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc-node.max_session_memory': 256,
  });
  addService(server, grpcService(AggregatedDiscoveryService), xds.implementation);
  addService(server, grpcService(ClientStatusDiscoveryService), csds.implementation);
  addService(server, grpcService(RegistryServiceDescriptor), new RegistryService(registry).implementation);
  health.addToServer(server);
  new ReflectionService(
    reflectionPackage([...services, Health]) as ConstructorParameters<typeof ReflectionService>[0],
  ).addToServer(server);

  let port: number;
  let admin: AdminServer;
  try {
    port = await bind(server, listen);
    admin = await AdminServer.start(listenAdmin, {
      ready: () => model !== null,
      metrics: () => metricsText(snapshots, registry.instances.length, state?.faults.length ?? 0),
      lists: {
        services: () => listServices(model!),
        endpoints: () => listEndpoints(model!),
        routes: () => listRoutes(model!),
        proxies: () =>
          [...snapshots.proxies].map(({ proxy, peer, variant, connectedWallMs }) => ({
            nodeId: proxy.id,
            cluster: proxy.cluster,
            kind: proxy.kind,
            variant,
            peer,
            connectedAt: new Date(connectedWallMs).toISOString(),
          })),
        faults: () => (state?.faults ?? []).map((fault) => ({ ...fault, text: faultText(fault) })),
      },
    }).catch((error: NodeJS.ErrnoException) => {
      throw new Error(portFault('--listen-admin', listenAdmin, error));
    });
  } catch (error) {
    server.forceShutdown();
    closeSources();
    throw error;
  }
  log.info(`serving xDS and registration on ${listen.host}:${port}, admin on ${listenAdmin.host}:${admin.port}`);
  return {
    port,
    adminPort: admin.port,
    close: async () => {
      xds.endStreams();
      health.setStatus('', 'NOT_SERVING');
      await new Promise<void>((resolve) => {
        const stop = after(500, () => server.forceShutdown());
        server.tryShutdown(() => {
          stop();
          resolve();
        });
      });
      closeSources();
      await admin.close();
    },
  };
}

function addService(server: Server, definition: ServiceDefinition, implementation: object): void {
  server.addService(definition, implementation as UntypedServiceImplementation);
}

function bind(server: Server, listen: HostPort): Promise<number> {
  const target = isIP(listen.host) === 6 ? `[${listen.host}]:${listen.port}` : `${listen.host}:${listen.port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(target, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(new Error(portFault('--listen', listen, error)));
    });
  });
}

function portFault(flag: string, { host, port }: HostPort, error: NodeJS.ErrnoException): string {
  const taken = error.code === 'EADDRINUSE' || error.message.includes('EADDRINUSE');
  return `cannot listen on ${host}:${port}: ${taken ? 'the port is taken' : error.message}; choose another with ${flag}`;
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
