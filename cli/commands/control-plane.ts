/** `outrigger control-plane`. */
import { pino } from 'pino';
import { startControlPlane } from '../../control-plane/control-plane.ts';
import { parseHostPort } from '../host-port.ts';
import { UserError } from '../user-error.ts';

export interface ControlPlaneCommandOptions {
  readonly config?: readonly string[];
  readonly dataDir?: string;
  readonly listen: string;
  readonly listenTls?: string;
  readonly listenAdmin: string;
  readonly store: string;
  readonly logLevel: string;
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error'];

export async function controlPlane(options: ControlPlaneCommandOptions): Promise<void> {
  if (options.listenTls !== undefined)
    throw new UserError('--listen-tls is not built yet: the control plane serves this machine only, without TLS', 2);
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
    pino.destination({ dest: 2, sync: true }),
  );
  let running: Awaited<ReturnType<typeof startControlPlane>>;
  try {
    running = await startControlPlane({
      configPaths: options.config ?? [],
      dataDir: options.dataDir ?? null,
      listen: parseHostPort('--listen', options.listen),
      listenAdmin: parseHostPort('--listen-admin', options.listenAdmin),
      log,
    });
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
}
