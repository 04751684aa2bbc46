/** `outrigger logs level`: shows and sets a sidecar's log level while it runs, by its admin port. */
import { logLevels } from '../../sidecar/runtime/log.ts';
import { parseHostPort } from '../host-port.ts';
import { type OutputFormat, printData } from '../print-data.ts';
import { noSidecar, sidecarPost } from '../sidecar-admin.ts';
import { UserError } from '../user-error.ts';

export interface LogsOptions {
  readonly sidecarAdmin: string;
  readonly output: OutputFormat;
}

/** `level`: undefined shows the one that counts. `token`: lets another machine ask; '': none. */
export async function logsLevel(level: string | undefined, options: LogsOptions, token: string): Promise<void> {
  const address = parseHostPort('--admin', options.sidecarAdmin);
  const wanted = level === 'warning' ? 'warn' : level;
  if (wanted !== undefined && !(logLevels as readonly string[]).includes(wanted))
    throw new UserError(`${JSON.stringify(level)} is no log level; name one of ${logLevels.join(', ')}`, 2);
  const before = await levelOf(address, '/logging', token);
  const now = wanted === undefined ? before : await levelOf(address, `/logging?level=${wanted}`, token);
  const rows = [wanted === undefined ? { level: now } : { level: now, before }];
  printData(
    rows,
    [{ heading: 'level', cell: (row) => row.level }, ...(wanted === undefined ? [] : [beforeColumn])],
    options.output,
  );
}

const beforeColumn = { heading: 'before', cell: (row: { readonly before?: string }) => row.before ?? '' };

async function levelOf(address: ReturnType<typeof parseHostPort>, path: string, token: string): Promise<string> {
  const body = await sidecarPost(address, path, token);
  const level = /^active log level: (\w+)$/m.exec(body)?.[1];
  if (level === undefined)
    throw noSidecar(
      `${address.host}:${address.port}`,
      'what answers there has no single log level: Envoy has one for each of its loggers',
    );
  return level;
}
