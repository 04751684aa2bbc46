/** The sidecar's program: flags, bootstrap, signals. A bundle of its own, without the control plane's libraries. */
import './no-debugger.ts';
import { constants, hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { type AppProbe, parseAppProbes } from '../sidecar/app-health/app-probe.ts';
import type { BindFault } from '../sidecar/listener/bound-socket.ts';
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
import { ApplicationGates } from './application-gates.ts';
import { awaitIdentity } from './await-identity.ts';
import { bindFaultLine } from './bind-fault-line.ts';
import { heedBrokenPipes } from './broken-pipe.ts';
import { withAddresses } from './control-plane-address.ts';
import { ControlPlaneWait } from './control-plane-wait.ts';
import { inTheirWords } from './environment.ts';
import {
  formatHostPort,
  type HostPort,
  parseHostPort,
  parseLabels,
  parseServiceName,
  parseWhole,
} from './host-port.ts';
import { InstancePresence } from './instance-presence.ts';
import { defaultProbeAddress } from './listen-ports.ts';
import { onParentGone } from './parent-gone.ts';
import { readUserFile } from './read-file.ts';
import {
  appPorts,
  controlPlaneCluster,
  controlPlaneSocket,
  defaultControlPlane,
  serviceBootstrap,
  upstreamsOf,
} from './service-bootstrap.ts';
import {
  flightRecorderBytes,
  parseSidecarFlags,
  type SidecarFlags,
  sidecarHelp,
  variablesOfFlags,
} from './sidecar-flags.ts';
import type { IdentityChoice } from './sidecar-identity.ts';
import { releaseCompilers } from './start-up-compilers.ts';
import { StopSignals } from './stop-signals.ts';
import { unknownUpstreams } from './unknown-upstreams.ts';
import { UserError } from './user-error.ts';

/** A probe's headers may hold one. */
const secretFlags: ReadonlySet<string> = new Set(['join-token', 'app-probes']);

async function main(): Promise<void> {
  const given = parseSidecarFlags(process.argv.slice(3), process.env);
  if (given.help) {
    heedBrokenPipes(false);
    process.stdout.write(sidecarHelp);
    return;
  }
  // What ps shows from now on.
  if (given.secretInWords) process.title = 'outrigger sidecar';
  const { values } = given;
  const level = values['log-level'] ?? 'info';
  if (!logLevels.includes(level as LogLevel))
    throw new UserError(`--log-level: ${JSON.stringify(level)} is not one of ${logLevels.join(', ')}`, 2);
  const appProbes = appProbesOf(values['app-probes']);
  const drainTimeMs = parseWhole('--drain-time', values['drain-time'] ?? '45', 0, 3600) * 1000;
  const log = new Log(
    systemClock,
    level as LogLevel,
    !process.stderr.isTTY,
    (text) => process.stderr.write(text),
    process.env['OUTRIGGER_LOG_SOURCE'] ?? '',
  );
  // Who reads the log may go; the proxy goes on.
  process.stderr.on('error', () => {});
  if (given.withoutEffect.length > 0)
    log.warn(
      `${given.withoutEffect.join(', ')} ${given.withoutEffect.length === 1 ? 'has' : 'have'} no effect with ${values.service === undefined ? '--bootstrap' : '--service'}`,
    );
  const waits = {
    // Nobody waits with us any more when who started us is gone.
    sleep: (ms: number) => (process.send !== undefined && !process.connected ? process.exit(0) : sleep(ms)),
    tell: (line: string) => log.warn(line),
  };
  const flags = values.service === undefined ? given : await withAddresses(given, waits.tell);
  const identity = values.service === undefined ? null : await awaitIdentity(flags, process.env, waits);
  if (identity?.kind === 'none' && identity.why !== '')
    log.warn(
      `this sidecar has no identity, and talks to the control plane without TLS: ${identity.why}; a proof gives it one (--join-token-file, --kubernetes-token-file)`,
    );
  const bootstrap = await loadBootstrap(flags, identity);
  let warned = '';
  const onWarning = (warning: string): void => {
    if (warning !== warned) log.warn(`${values.service}: ${warning}`);
    warned = warning;
  };
  const presence = new InstancePresence({
    inbound: () => sidecar.listeners.dump().find(({ name }) => name === 'inbound') ?? null,
    register: (inbound) => {
      const registration = createRegistration(flags, inbound, sidecar, log, onWarning);
      registration.start();
      return registration;
    },
  });
  let waiting: ControlPlaneWait | null = null;
  let gates: ApplicationGates | null = null;
  let leaving = false;
  const sidecar = new Sidecar({
    bootstrap,
    probeAddress: probeAddress(flags),
    adminToken: readAdminToken(values, process.env),
    drainTimeMs,
    ...hostLoopback(values),
    flightRecorderBytes: flightRecorderBytes(values),
    identity: identity?.kind === 'identity' ? identity.config : null,
    ...(values.service === undefined ? {} : { observedBy: controlPlaneCluster }),
    clock: systemClock,
    random: Math.random,
    log,
    commandLine: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, secretFlags.has(name) ? '(not shown)' : value]),
    ),
    onReady: () => {
      waiting?.stop();
      releaseCompilers();
      shedStartUpGarbage();
      // Told to stop before it was ready: nobody is to find it any more.
      const ports = values.service === undefined ? [] : appPorts(values);
      if (ports.length === 0 && values.service !== undefined && !flags.noRegister && !leaving)
        presence.setApplicationListens(true);
      else if (ports.length > 0 && !flags.noRegister && !leaving) {
        gates = new ApplicationGates(ports, {
          clock: systemClock,
          wheel: sidecar.wheel,
          log,
          onChange: (listens) => presence.setApplicationListens(listens),
        });
      }
      const upstreamProblems = values.upstream === undefined ? {} : findUpstreamProblems(sidecar);
      // `run` tells them itself.
      if (process.send === undefined)
        for (const problem of Object.values(upstreamProblems))
          log.warn(`--upstream: ${problem}; it answers 503 meanwhile`);
      tellParent({
        ready: true,
        listeners: Object.fromEntries(
          sidecar.listeners.dump().map(({ name, host, port }) => [name, formatHostPort({ host, port })]),
        ),
        admin: formatHostPort({ host: bootstrap.config.admin?.host ?? '127.0.0.1', port: sidecar.adminPort }),
        upstreamProblems,
      });
    },
    // A supervisor sees that it ends, nobody that it waits.
    ...(flags.waitForProof ? {} : { onProofDenied: (why) => end(proofDenied(why, flags)) }),
    onConnectFailed: (cluster, reason) => {
      if (reason === 'refused' && cluster.startsWith('inbound|')) gates?.refused(Number(cluster.split('|')[1]));
    },
    onListenersChanged: () => presence.update(),
    onLeave: () => leaveRegistry(),
    appProbes,
    podAddress: process.env['POD_IP'] ?? '',
    // Without its listeners it is of no use to the application, and others' programs would get its calls.
    ...(values.service === undefined ? {} : { onFirstBindFaults: (faults) => end(bindFaultLines(flags, faults)) }),
    onStopped: () => process.exit(0),
  });
  /** Out of the registry first: who looks now does not find this instance, who looked before is still served. */
  const leaveRegistry = (): Promise<void> => {
    leaving = true;
    gates?.stop();
    return presence.close();
  };
  let stopping = false;
  if (values.service !== undefined) {
    const address =
      identity?.kind === 'identity'
        ? identity.controlPlaneTls
        : parseHostPort('--control-plane', flags.values['control-plane'] ?? defaultControlPlane);
    waiting = new ControlPlaneWait(
      address,
      sidecar.wheel,
      (at, why) => {
        // Who started this one as its sidecar tells it in words of its own.
        if (process.send === undefined) log.warn(`waiting for the control plane at ${at} (${why})`);
        else tellParent({ waitingFor: at, why });
      },
      controlPlaneSocket(flags.values, identity?.kind === 'identity' ? 'tls' : 'plain'),
    );
  }
  const stop = (applicationGone = false): void => {
    if (stopping) return;
    stopping = true;
    void leaveRegistry().then(() => sidecar.drain(applicationGone));
  };
  const signals = new StopSignals({
    nowMs: () => systemClock.nowMs(),
    stopping: () => stopping,
    stop: (signal) => {
      log.info(`${signal}: finishes what is in hand, then ends; a second signal${hint(signal)} ends it at once`);
      stop();
    },
    quit: (signal) => {
      log.warn(`a second signal (${signal}): ends at once, whatever is in hand`);
      process.exit(128 + constants.signals[signal]);
    },
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => signals.onSignal(signal));
  process.on('message', (message) => {
    const said = message as {
      readonly applicationEnded?: boolean;
      readonly applicationPaused?: boolean;
      readonly leave?: boolean;
    };
    if (said.applicationEnded === true) stop(true);
    if (said.applicationPaused !== undefined) presence.setApplicationPaused(said.applicationPaused);
    if (said.leave === true) void leaveRegistry().then(() => sidecar.leave(() => tellParent({ left: true })));
  });
  // Who started us is gone without a word: nobody will tell us to end. The application has a watchdog of its own.
  onParentGone(() => {
    if (stopping) return;
    log.warn('what started this sidecar is gone: it finishes what is in hand, and ends');
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

/** Who started this one as its sidecar, if anybody did; it may be gone. */
function tellParent(message: object): void {
  process.send?.(message, () => {});
}

/** What sends it, for who sits at a terminal. */
function hint(signal: NodeJS.Signals): string {
  return signal === 'SIGINT' && process.stderr.isTTY ? ' (Ctrl-C)' : '';
}

function proofDenied(why: string, { values }: SidecarFlags): UserError {
  return new UserError(
    `this sidecar of ${values.service} gets no certificate: ${why}. To wait does not help: give it a token that is good (outrigger identity token create --service ${values.service}), with as many uses as there are starts; --wait-for-proof waits for another in the file`,
  );
}

function bindFaultLines(flags: SidecarFlags, faults: readonly BindFault[]): UserError {
  const { namespace } = parseServiceName('--service', flags.values.service!);
  const upstreams = upstreamsOf(flags.values, namespace);
  return new UserError(faults.map((fault) => bindFaultLine(fault, upstreams)).join('\n'));
}

function findUpstreamProblems(sidecar: Sidecar): Record<string, string> {
  return unknownUpstreams(
    sidecar.configDump({ resource: 'dynamic_route_configs', nameFilter: null, includeEds: false }) as never,
  );
}

/** Of `outrigger inject`, by its variable. */
function appProbesOf(text: string | undefined): ReadonlyMap<string, AppProbe> {
  if (text === undefined) return new Map();
  try {
    return parseAppProbes(text);
  } catch (error) {
    throw new UserError(`--app-probes: ${(error as Error).message}`, 2);
  }
}

function probeAddress(flags: SidecarFlags): { readonly host: string; readonly port: number } | null {
  const given = flags.values['listen-metrics'] ?? (flags.values.service === undefined ? 'off' : defaultProbeAddress);
  return given === 'off' ? null : parseHostPort('--listen-metrics', given);
}

/** Registers where the inbound listener really is; 0.0.0.0 is no address to call, so the machine's first one stands in. With interception: at the application's own ports. */
function createRegistration(
  flags: SidecarFlags,
  at: HostPort,
  sidecar: Sidecar,
  log: Log,
  onWarning: (warning: string) => void,
): Registration {
  const { values } = flags;
  const { namespace, name } = parseServiceName('--service', values.service!);
  const address = values.address ?? (at.host === '0.0.0.0' || at.host === '::' ? firstAddress() : at.host);
  const ports = appPorts(values);
  const intercepted = (values.interception ?? 'none') !== 'none';
  const instance = create(InstanceSchema, {
    namespace,
    service: name,
    instanceId: values['node-id'] ?? `${hostname()}-${process.pid}`,
    address,
    // Redirected callers come to the ports that they mean; of several nobody says which one a Service without target ports stands for.
    ...(intercepted ? { port: ports.length === 1 ? ports[0]! : 0, byTargetPort: true } : { port: at.port }),
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
    onWarning,
  });
}

/** Reading the configuration leaves garbage that V8 would keep until much more came: one collection, a moment after the start, spares 3 to 4 MB. */
function shedStartUpGarbage(): void {
  const { gc } = globalThis;
  if (gc !== undefined)
    setTimeout(() => void gc({ type: 'major', execution: 'async', flavor: 'last-resort' }), 300).unref();
}

/** Of IPv4, where there is one. */
function firstAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const callable = all.filter(({ address, internal }) => !internal && !address.startsWith('fe80:'));
  return (callable.find(({ family }) => family === 'IPv4') ?? callable[0])?.address ?? '127.0.0.1';
}

/** Of `run --intercept`. */
function hostLoopback(values: SidecarFlags['values']): { readonly hostLoopbackFolder?: string } {
  const folder = values['control-plane-sockets'];
  return folder === undefined ? {} : { hostLoopbackFolder: join(folder, 'loopback') };
}

/** Ends the process with one line for each fault of the user's. Who started this one as its sidecar tells them itself. */
function end(error: UserError): void {
  const message = error.message.replaceAll('outrigger: ', '');
  if (process.send !== undefined && process.connected)
    process.send({ fault: message, exitCode: error.exitCode }, () => process.exit(error.exitCode));
  else {
    const shown = inTheirWords(message, variablesOfFlags(process.argv.slice(3), process.env));
    process.stderr.write(`outrigger: ${shown.replaceAll('\n', '\noutrigger: ')}\n`);
    process.exit(error.exitCode);
  }
}

main().catch((error: unknown) => {
  if (!(error instanceof UserError)) throw error;
  end(error);
});
