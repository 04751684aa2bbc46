/** The sidecar's program: flags, bootstrap, signals. A bundle of its own, without the control plane's libraries. */
import { hostname, networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { Registration } from '../sidecar/registration/registration.ts';
import { systemClock } from '../sidecar/runtime/clock.ts';
import { Log, type LogLevel, logLevels } from '../sidecar/runtime/log.ts';
import { Sidecar } from '../sidecar/server.ts';
import { InstanceSchema } from '../sidecar/xds/api/outrigger/registry/v1/registry_pb.js';
import {
  type BootstrapResult,
  decodeBootstrap,
  type LoadedBootstrap,
  parseBootstrap,
} from '../sidecar/xds/bootstrap-file.ts';
import { readAdminToken } from './admin-token.ts';
import { ApplicationGate } from './application-gate.ts';
import { awaitIdentity } from './await-identity.ts';
import { heedBrokenPipes } from './broken-pipe.ts';
import { formatHostPort, parseHostPort, parseLabels, parseServiceName, parseWhole } from './host-port.ts';
import { onParentGone } from './parent-gone.ts';
import { readUserFile } from './read-file.ts';
import { controlPlaneCluster, serviceBootstrap } from './service-bootstrap.ts';
import { parseSidecarFlags, type SidecarFlags, sidecarHelp } from './sidecar-flags.ts';
import type { IdentityChoice } from './sidecar-identity.ts';
import { unknownUpstreams } from './unknown-upstreams.ts';
import { UserError } from './user-error.ts';

async function main(): Promise<void> {
  const flags = parseSidecarFlags(process.argv.slice(3), process.env);
  if (flags.help) {
    heedBrokenPipes(false);
    process.stdout.write(sidecarHelp);
    return;
  }
  // What ps shows from now on.
  if (flags.secretInWords) process.title = 'outrigger sidecar';
  const { values } = flags;
  const level = values['log-level'] ?? 'info';
  if (!logLevels.includes(level as LogLevel))
    throw new UserError(`--log-level: ${JSON.stringify(level)} is not one of ${logLevels.join(', ')}`, 2);
  const drainTimeMs = parseWhole('--drain-time', values['drain-time'] ?? '45', 0, 3600) * 1000;
  const log = new Log(systemClock, level as LogLevel, !process.stderr.isTTY, (text) => process.stderr.write(text));
  // Who reads the log may go; the proxy goes on.
  process.stderr.on('error', () => {});
  if (flags.withoutEffect.length > 0)
    log.warn(
      `${flags.withoutEffect.join(', ')} ${flags.withoutEffect.length === 1 ? 'has' : 'have'} no effect with ${values.service === undefined ? '--bootstrap' : '--service'}`,
    );
  const identity =
    values.service === undefined
      ? null
      : await awaitIdentity(flags, process.env, { sleep, tell: (line) => log.info(line) });
  if (identity?.kind === 'none' && identity.why !== '')
    log.warn(
      `this sidecar has no identity, and talks to the control plane without TLS: ${identity.why}; a proof gives it one (--join-token-file, --kubernetes-token-file)`,
    );
  const bootstrap = await loadBootstrap(flags, identity);
  let registration: Registration | null = null;
  let gate: ApplicationGate | null = null;
  let stopping = false;
  let applicationPid = 0;
  const sidecar = new Sidecar({
    bootstrap,
    probeAddress: probeAddress(flags),
    adminToken: readAdminToken(values, process.env),
    drainTimeMs,
    identity: identity?.kind === 'identity' ? identity.config : null,
    clock: systemClock,
    random: Math.random,
    log,
    commandLine: { ...values, ...(values['join-token'] === undefined ? {} : { 'join-token': '(not shown)' }) },
    onReady: () => {
      shedStartUpGarbage();
      // Told to stop before it was ready: nobody is to find it any more.
      if (values.service !== undefined && !flags.noRegister && !stopping) {
        gate = new ApplicationGate(Number(values['app-port']), {
          clock: systemClock,
          wheel: sidecar.wheel,
          log,
          onListening: () => {
            registration = createRegistration(flags, sidecar, log);
            registration.start();
          },
        });
      }
      const upstreamProblems = values.upstream === undefined ? {} : findUpstreamProblems(sidecar);
      // `run` tells them itself.
      if (process.send === undefined)
        for (const problem of Object.values(upstreamProblems))
          log.warn(`--upstream: ${problem}; it answers 503 meanwhile`);
      process.send?.({
        ready: true,
        listeners: Object.fromEntries(
          sidecar.listeners.dump().map(({ name, host, port }) => [name, formatHostPort({ host, port })]),
        ),
        admin: `${bootstrap.config.admin?.host ?? '127.0.0.1'}:${sidecar.adminPort}`,
        upstreamProblems,
      });
    },
    onStopped: () => process.exit(0),
  });
  const stop = (applicationGone = false): void => {
    if (stopping) return;
    stopping = true;
    gate?.stop();
    // Out of the registry first: who looks now does not find this instance, who looked before is still served.
    void (registration?.close() ?? Promise.resolve()).then(() => sidecar.drain(applicationGone));
  };
  process.on('SIGTERM', () => stop());
  process.on('SIGINT', () => stop());
  process.on('message', (message) => {
    const said = message as { readonly applicationEnded?: boolean; readonly applicationPid?: number };
    if (said.applicationEnded === true) stop(true);
    if (said.applicationPid !== undefined) applicationPid = said.applicationPid;
  });
  // Who started us is gone without a word: nobody will tell us, nor the application, to end.
  onParentGone(() => {
    if (stopping) return;
    log.warn('what started this sidecar is gone: it finishes what is in hand, and ends');
    if (applicationPid !== 0) terminate(applicationPid);
    stop();
  });
  // The channel must not keep the process alive.
  process.channel?.unref();
  process.on('SIGUSR1', () => sidecar.accessLogs.reopen());
  try {
    await sidecar.start();
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

async function loadBootstrap(flags: SidecarFlags, identity: IdentityChoice | null): Promise<LoadedBootstrap> {
  const { values } = flags;
  let result: BootstrapResult;
  if (values.bootstrap !== undefined) {
    const file = values.bootstrap;
    result = await parseBootstrap(readUserFile(file), file, systemClock.wallMs());
  } else {
    const { namespace, name } = parseServiceName('--service', values.service!);
    const nodeId = values['node-id'] ?? `${name}.${namespace}-${hostname()}-${process.pid}`;
    const secure = identity?.kind === 'identity' ? identity : null;
    result = decodeBootstrap(serviceBootstrap(flags, nodeId, secure), systemClock.wallMs());
  }
  if (!result.ok) throw new UserError(result.faults.join('\noutrigger: '));
  const { bootstrap } = result;
  if (values.bootstrap === undefined || values.admin === undefined) return bootstrap;
  return { ...bootstrap, config: { ...bootstrap.config, admin: parseHostPort('--admin', values.admin) } };
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It ended at the same time.
  }
}

function findUpstreamProblems(sidecar: Sidecar): Record<string, string> {
  return unknownUpstreams(
    sidecar.configDump({ resource: 'dynamic_route_configs', nameFilter: null, includeEds: false }) as never,
  );
}

function probeAddress(flags: SidecarFlags): { readonly host: string; readonly port: number } | null {
  const given = flags.values['listen-metrics'] ?? (flags.values.service === undefined ? 'off' : '0.0.0.0:15020');
  return given === 'off' ? null : parseHostPort('--listen-metrics', given);
}

/** Registers where the inbound listener really is; 0.0.0.0 is no address to call, so the machine's first one stands in. */
function createRegistration(flags: SidecarFlags, sidecar: Sidecar, log: Log): Registration {
  const { values } = flags;
  const { namespace, name } = parseServiceName('--service', values.service!);
  const inbound = sidecar.listeners.dump().find((listener) => listener.name === 'inbound');
  const at =
    inbound === undefined ? parseHostPort('--inbound-listen', values['inbound-listen'] ?? '0.0.0.0:15006') : inbound;
  const address = values.address ?? (at.host === '0.0.0.0' || at.host === '::' ? firstAddress() : at.host);
  const instance = create(InstanceSchema, {
    namespace,
    service: name,
    instanceId: values['node-id'] ?? `${hostname()}-${process.pid}`,
    address,
    port: at.port,
    labels: values.labels === undefined ? {} : { ...parseLabels('--labels', values.labels) },
    zone: values.zone ?? '',
    weight: 1,
  });
  return new Registration(instance, {
    clusters: sidecar.clusters,
    clusterName: controlPlaneCluster,
    wheel: sidecar.wheel,
    random: Math.random,
    log,
  });
}

/** Reading the configuration leaves garbage that V8 would keep until much more came: one collection, a moment after the start, spares 3 to 4 MB. */
function shedStartUpGarbage(): void {
  const { gc } = globalThis;
  if (gc !== undefined)
    setTimeout(() => void gc({ type: 'major', execution: 'async', flavor: 'last-resort' }), 300).unref();
}

function firstAddress(): string {
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address, family, internal } of addresses ?? []) if (!internal && family === 'IPv4') return address;
  return '127.0.0.1';
}

main().catch((error: unknown) => {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(
    `outrigger: ${error.message.replaceAll('\n', '\noutrigger: ').replaceAll('outrigger: outrigger: ', 'outrigger: ')}\n`,
  );
  process.exit(error.exitCode);
});
