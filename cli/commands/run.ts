/** `outrigger run`: a command with a sidecar beside it. The sidecar is ready before the command starts and ends after it. */
import { createServer } from 'node:net';
import { constants, hostname } from 'node:os';
import { upstreamName } from '../../control-plane/translate/resource-names.ts';
import { portHolder, takenBy } from '../../sidecar/listener/port-holder.ts';
import { type LogLevel, logLevels } from '../../sidecar/runtime/log.ts';
import { adminTokenVariable } from '../admin-token.ts';
import { isListenedOn } from '../command-port.ts';
import { environmentName } from '../environment.ts';
import { parseHostPort, parseLabels, parseServiceName, parseWhole } from '../host-port.ts';
import { KeptSidecar } from '../kept-sidecar.ts';
import { checkRunPorts } from '../listen-ports.ts';
import { RunCommand } from '../run-command.ts';
import { identityEnvironment, identityFlags, type ProofFlag } from '../run-identity.ts';
import type { InterceptedRun, InterceptedRunOptions } from '../run-network/intercepted-run.ts';
import { SidecarEnded, type SidecarReady, startSidecar } from '../sidecar-process.ts';
import { handedOnSignals, SignalHandOver } from '../signal-hand-over.ts';
import { parseUpstreams, type Upstream, upstreamEnvironment, upstreamText } from '../upstream.ts';
import { UserError } from '../user-error.ts';

export interface RunOptions extends InterceptedRunOptions {
  /** The command has a network of its own, and all of its connections go through the sidecar. */
  readonly intercept?: boolean;
  readonly port: string;
  readonly upstream?: readonly string[];
  readonly labels?: string;
  readonly zone?: string;
  readonly nodeId?: string;
  readonly outboundListen: string;
  readonly inboundListen: string;
  readonly sidecarAdmin: string;
  readonly listenMetrics: string;
  readonly drainTime: string;
  readonly foreground?: boolean;
  readonly logLevel: string;
}

/** What ends a program that has no command to hand them on to. */
const endSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** Runs until the command ends. The exit code is the command's; 128 + the signal's number when a signal ended it. */
export async function run(
  words: readonly string[],
  options: RunOptions,
  proofsInWords: readonly ProofFlag[],
): Promise<number> {
  // What ps shows from now on.
  if (proofsInWords.includes('join-token')) process.title = 'outrigger run';
  const upstreams = readUpstreams(options);
  sidecarFlags(options, upstreams, null, null);
  checkRunPorts(options, upstreams);
  const environment = identityEnvironment(options, proofsInWords);
  if (options.intercept !== true) return runBeside(words, options, upstreams, environment, null);
  // Its code is loaded only here.
  const { startInterceptedRun } = await import('../run-network/intercepted-run.ts');
  const intercepted = await startInterceptedRun(options, environment, process.env, tell);
  try {
    return await runBeside(words, options, upstreams, intercepted.identityEnvironment, intercepted);
  } finally {
    await intercepted.close();
  }
}

async function runBeside(
  words: readonly string[],
  options: RunOptions,
  upstreams: readonly Upstream[],
  environment: Readonly<Record<string, string | undefined>>,
  intercepted: InterceptedRun | null,
): Promise<number> {
  for (const upstream of upstreams) if (upstream.localPort !== 0) await checkUpstreamPort(upstream);
  const port = Number(options.port);
  // In a network of its own every port is free.
  if (intercepted === null) await checkCommandPort(port);
  let command: RunCommand | null = null;
  let failed = false;
  const sidecar = new KeptSidecar({
    start: (before) =>
      startSidecar(
        [
          ...sidecarFlags(options, upstreams, before, intercepted),
          // The command runs by then: it does without a sidecar rather than end when the token is used up.
          ...identityFlags({
            ...(intercepted?.identity ?? options),
            ...(before === null ? {} : { waitForProof: true }),
          }),
        ],
        { ...environment, OUTRIGGER_LOG_SOURCE: 'sidecar' },
        'inherit',
        ({ waitingFor, why }) =>
          tell(
            `waiting for the control plane at ${waitingFor} before ${before === null ? 'starting the command' : 'the sidecar serves again'} (${intercepted?.controlPlaneFault() || why})`,
          ),
        intercepted?.sidecarWords,
      ),
    nowMs: () => performance.now(),
    after,
    tell,
    onLost: () => {
      failed = true;
      command?.signal('SIGTERM');
    },
  });
  const handOver = new SignalHandOver({
    nowMs: () => performance.now(),
    leave: () => sidecar.leave(),
    handOn: (signal) => command?.signal(signal),
    onSlow: (signal) =>
      tell(
        `requests are in hand; the command gets ${signal} behind them, after ${options.drainTime} s at most, or at once by a second signal`,
      ),
    after,
  });
  let stoppedBy: NodeJS.Signals | null = null;
  let over = false;
  for (const signal of handedOnSignals) {
    process.on(signal, () => {
      if (command !== null && !over) handOver.onSignal(signal);
      else if (endSignals.includes(signal)) {
        stoppedBy ??= signal;
        sidecar.abandon();
      }
    });
  }
  let ready: SidecarReady;
  try {
    ready = await sidecar.ready();
  } catch (error) {
    if (stoppedBy !== null) return 128 + constants.signals[stoppedBy];
    // What was wrong it has said itself.
    if (error instanceof SidecarEnded && (error.code === 1 || error.code === 2)) return error.code;
    const { message, exitCode } = error as UserError;
    // The sidecar's flag of that name is not ours.
    throw new UserError(message.replace(/--admin\b(?!-)/, '--sidecar-admin'), exitCode);
  }
  try {
    const addresses = upstreamEnvironment(upstreams, (upstream) => upstreamAddress(upstream, ready));
    // Waiting for the control plane may have taken long.
    if (intercepted === null) await checkCommandPort(port);
    // Told to stop meanwhile: the sidecar goes already.
    if (stoppedBy !== null) return 128 + constants.signals[stoppedBy];
    // The tokens are the sidecar's.
    const { [environmentName('join-token')]: _, [adminTokenVariable]: __, ...inherited } = process.env;
    const outbound = outboundAddress(ready);
    const own =
      intercepted === null
        ? { ...appEnvironment(options.port, outbound), ...addresses }
        : { PORT: options.port, ...intercepted.commandEnvironment };
    command = new RunCommand(
      [...(intercepted?.commandWords ?? []), ...words],
      { ...inherited, ...own },
      {
        foreground: options.foreground === true,
        drainTimeS: Number(options.drainTime),
        leave: () => sidecar.leave(),
        onPaused: (paused) => sidecar.applicationPaused(paused),
        tell,
      },
    );
    const exitCode = await command.ended;
    return failed ? 1 : exitCode;
  } finally {
    over = true;
    await sidecar.end();
  }
}

function tell(line: string): void {
  process.stderr.write(`outrigger: ${line}\n`);
}

function after(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

function readUpstreams(options: RunOptions): readonly Upstream[] {
  const { namespace } = parseServiceName('--service', options.service);
  const port = parseWhole('--port', options.port, 1, 65535);
  const upstreams = parseUpstreams(options.upstream ?? [], namespace, new Map([[port, 'the command (--port)']]));
  // That two would have the same name is told before anything is started.
  upstreamEnvironment(upstreams, () => '');
  return upstreams;
}

/** The sidecar would say it too, but only when everything is started. */
async function checkUpstreamPort(upstream: Upstream): Promise<void> {
  const { localPort } = upstream;
  const fault = await bindFault(localPort);
  if (fault !== null)
    throw new UserError(
      `cannot listen on 127.0.0.1:${localPort} for --upstream ${upstreamText(upstream)}: ${reasonOf(fault, localPort)}; choose another, or none to take a free one`,
    );
}

/** Whoever listens there would be registered in the command's place. */
async function checkCommandPort(port: number): Promise<void> {
  if (await isListenedOn(port))
    throw new UserError(`--port ${port}: ${takenBy(portHolder(port))}, so the command could not listen there`);
}

function reasonOf({ code, message }: NodeJS.ErrnoException, port: number): string {
  return code === 'EADDRINUSE' ? takenBy(portHolder(port)) : message;
}

/** Why 127.0.0.1:`port` cannot be listened on; null: it can. */
function bindFault(port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(null)));
  });
}

/** Where the sidecar listens for it. Throws a UserError when it does not, or when nothing is behind it. */
function upstreamAddress(upstream: Upstream, { listeners, upstreamProblems }: SidecarReady): string {
  const name = upstreamName(upstream.namespace, upstream.name, upstream.port);
  const problem = upstreamProblems[name];
  if (problem !== undefined)
    throw new UserError(`--upstream ${upstreamText(upstream)}: ${problem} (outrigger get services lists them)`);
  const address = listeners[name];
  if (address !== undefined) return address;
  const where = upstream.localPort === 0 ? '' : ` on 127.0.0.1:${upstream.localPort}, which may be taken`;
  throw new UserError(`--upstream ${upstreamText(upstream)}: the sidecar has no listener for it${where}`);
}

/** A command without it would make its calls past the mesh. */
function outboundAddress({ listeners }: SidecarReady): string {
  const address = listeners['outbound'];
  if (address !== undefined) return address;
  throw new UserError('the control plane gave the sidecar no listener "outbound", so the command\'s calls have no way');
}

/** `before`: on the ports that this one had. */
function sidecarFlags(
  options: RunOptions,
  upstreams: readonly Upstream[],
  before: SidecarReady | null,
  intercepted: InterceptedRun | null,
): string[] {
  const { namespace, name } = parseServiceName('--service', options.service);
  const flags: Array<readonly [string, string]> = [
    ['service', `${namespace}/${name}`],
    ['app-port', String(parseWhole('--port', options.port, 1, 65535))],
  ];
  parseHostPort('--control-plane', options.controlPlane);
  flags.push(['control-plane', options.controlPlane]);
  const listenFlags = [
    ['outbound-listen', 'outbound-listen', before?.listeners['outbound'] ?? options.outboundListen],
    ['inbound-listen', 'inbound-listen', before?.listeners['inbound'] ?? options.inboundListen],
    ['sidecar-admin', 'admin', before?.admin ?? options.sidecarAdmin],
  ] as const;
  for (const [ours, theirs, value] of intercepted === null ? listenFlags : []) {
    parseHostPort(`--${ours}`, value);
    flags.push([theirs, value]);
  }
  // Off unless asked for: the sidecar's own default is one port, which a second run on the machine would not get.
  if (options.listenMetrics !== 'off') parseHostPort('--listen-metrics', options.listenMetrics);
  if (intercepted === null) flags.push(['listen-metrics', options.listenMetrics]);
  if (options.labels !== undefined) {
    parseLabels('--labels', options.labels);
    flags.push(['labels', options.labels]);
  }
  if (options.zone !== undefined) flags.push(['zone', options.zone]);
  for (const upstream of upstreams) {
    const address = before === null ? undefined : upstreamAddress(upstream, before);
    const localPort = address === undefined ? upstream.localPort : parseHostPort('--upstream', address).port;
    flags.push(['upstream', `${upstreamText(upstream)}${localPort === 0 ? '' : `=${localPort}`}`]);
  }
  // The same instance when it is started again: it takes the place of the one before in the registry.
  flags.push(['node-id', options.nodeId ?? `${name}.${namespace}-${hostname()}-${process.pid}`]);
  if (!logLevels.includes(options.logLevel as LogLevel))
    throw new UserError(`--log-level: ${JSON.stringify(options.logLevel)} is not one of ${logLevels.join(', ')}`, 2);
  flags.push(['drain-time', String(parseWhole('--drain-time', options.drainTime, 0, 3600))]);
  flags.push(['log-level', options.logLevel]);
  return [...flags.map(([flag, value]) => `--${flag}=${value}`), ...(intercepted?.sidecarFlags ?? [])];
}

/** What the command finds in its environment: where it must listen, and where its calls go. */
export function appEnvironment(port: string, outbound: string): Record<string, string> {
  return {
    PORT: port,
    OUTRIGGER_OUTBOUND: outbound,
    HTTP_PROXY: `http://${outbound}`,
    http_proxy: `http://${outbound}`,
    // Calls to the machine itself do not go through the mesh.
    NO_PROXY: 'localhost,127.0.0.1,::1',
    no_proxy: 'localhost,127.0.0.1,::1',
  };
}
