/** `outrigger run`: a command with a sidecar beside it. The sidecar is ready before the command starts and ends after it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { parseHostPort, parseLabels, parseServiceName, parseWhole } from '../host-port.ts';
import { startSidecar } from '../sidecar-process.ts';
import { UserError } from '../user-error.ts';

export interface RunOptions {
  readonly service: string;
  readonly port: string;
  readonly controlPlane: string;
  readonly labels?: string;
  readonly zone?: string;
  readonly outboundListen: string;
  readonly inboundListen: string;
  readonly sidecarAdmin: string;
  readonly drainTime: string;
  readonly logLevel: string;
}

/** Runs until the command ends. The exit code is the command's; 128 + the signal's number when a signal ended it. */
export async function run(words: readonly string[], options: RunOptions): Promise<number> {
  const sidecar = startSidecar(sidecarFlags(options));
  const state: { app: ChildProcess | null; stopping: boolean } = { app: null, stopping: false };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      state.stopping = true;
      // A terminal's Ctrl-C reaches the command by itself; one that is sent twice does no harm.
      if (state.app !== null) state.app.kill(signal);
      else sidecar.child.kill('SIGTERM');
    });
  }
  let ready: Awaited<typeof sidecar.ready>;
  try {
    ready = await sidecar.ready;
  } catch (error) {
    if (state.stopping) return 130;
    throw new UserError((error as Error).message);
  }
  const exitCode = await runApp(words, options, ready.listeners['outbound'] ?? '', state);
  sidecar.child.kill('SIGTERM');
  await sidecar.ended;
  return exitCode;
}

function sidecarFlags(options: RunOptions): string[] {
  const { namespace, name } = parseServiceName('--service', options.service);
  const flags = [
    '--service',
    `${namespace}/${name}`,
    '--app-port',
    String(parseWhole('--port', options.port, 1, 65535)),
  ];
  const listenFlags: ReadonlyArray<readonly [string, string]> = [
    ['--control-plane', options.controlPlane],
    ['--outbound-listen', options.outboundListen],
    ['--inbound-listen', options.inboundListen],
    ['--admin', options.sidecarAdmin],
  ];
  for (const [flag, value] of listenFlags) {
    parseHostPort(flag, value);
    flags.push(flag, value);
  }
  if (options.labels !== undefined) {
    parseLabels('--labels', options.labels);
    flags.push('--labels', options.labels);
  }
  if (options.zone !== undefined) flags.push('--zone', options.zone);
  flags.push(
    '--drain-time',
    String(parseWhole('--drain-time', options.drainTime, 0, 3600)),
    '--log-level',
    options.logLevel,
  );
  return flags;
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

function runApp(
  words: readonly string[],
  options: RunOptions,
  outbound: string,
  state: { app: ChildProcess | null },
): Promise<number> {
  const [command = '', ...args] = words;
  const app = spawn(command, args, {
    stdio: 'inherit',
    env: { ...process.env, ...appEnvironment(options.port, outbound) },
  });
  state.app = app;
  return new Promise((resolve) => {
    app.once('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(
        `outrigger: cannot start ${JSON.stringify(command)}: ${error.code === 'ENOENT' ? 'there is no such command' : error.message}\n`,
      );
      resolve(error.code === 'ENOENT' ? 127 : 126);
    });
    app.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
