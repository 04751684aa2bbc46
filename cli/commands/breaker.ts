/** `outrigger breaker`: the circuit breakers of a sidecar, from its admin port; an operator may hold one open or closed, or release it. */
import { request } from 'node:http';
import { connectionFault } from '../connection-fault.ts';
import { formatHostPort, type HostPort, parseHostPort } from '../host-port.ts';
import { type Column, type OutputFormat, printData } from '../print-data.ts';
import { noSidecar, sidecarJson } from '../sidecar-admin.ts';
import { UserError } from '../user-error.ts';

export const breakerActions = ['list', 'open', 'close', 'release'] as const;
export type BreakerAction = (typeof breakerActions)[number];

export interface BreakerOptions {
  readonly admin: string;
  readonly output: OutputFormat;
}

/** As `/circuit_breakers` gives them. */
interface BreakerRow {
  readonly scope: string;
  readonly name: string;
  readonly rule?: string;
  readonly state: string;
  readonly held_by_operator: boolean;
  readonly since_seconds: number;
  readonly why: string;
  readonly window: { readonly calls: number; readonly failures: number; readonly slow: number };
  readonly total: { readonly refused: number };
}

const columns: ReadonlyArray<Column<BreakerRow>> = [
  { heading: 'of', cell: (row) => row.scope },
  { heading: 'name', cell: (row) => row.name },
  { heading: 'state', cell: (row) => `${row.state.replace('_', '-')}${row.held_by_operator ? ' (held)' : ''}` },
  { heading: 'since', cell: (row) => `${row.since_seconds} s` },
  { heading: 'calls', cell: ({ window }) => String(window.calls) },
  { heading: 'failed', cell: ({ window }) => String(window.failures) },
  { heading: 'slow', cell: ({ window }) => String(window.slow) },
  { heading: 'refused', cell: ({ total }) => String(total.refused) },
  { heading: 'rule', cell: (row) => row.rule ?? '' },
  { heading: 'why', cell: (row) => row.why },
];

/** `name`: undefined only with `list`, which shows that one alone where it is given. `token`: lets another machine change something; '': none. */
export async function breaker(
  action: BreakerAction,
  name: string | undefined,
  options: BreakerOptions,
  token: string,
): Promise<void> {
  const address = parseHostPort('--admin', options.admin);
  if (action !== 'list') {
    if (name === undefined) throw new UserError(`breaker ${action} needs a name; outrigger breaker list shows them`, 2);
    await post(address, `/circuit_breakers/${action}?name=${encodeURIComponent(name)}`, token);
  }
  const { circuit_breakers: all } = (await sidecarJson(address, '/circuit_breakers')) as {
    readonly circuit_breakers: readonly BreakerRow[];
  };
  const rows = name === undefined ? all : all.filter((row) => row.name === name);
  if (name !== undefined && rows.length === 0)
    throw new UserError(`there is no circuit breaker ${name}; outrigger breaker list shows them`);
  printData(rows, columns, options.output);
}

function post(address: HostPort, path: string, token: string): Promise<void> {
  const at = formatHostPort(address);
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: address.host,
        port: address.port,
        path,
        method: 'POST',
        timeout: 5_000,
        headers: token === '' ? {} : { authorization: `Bearer ${token}` },
      },
      (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (answer += chunk));
        response.on('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new UserError(answer.trim() || `the sidecar at ${at} answered ${response.statusCode}`));
        });
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', (error) => reject(noSidecar(at, connectionFault(error))));
    call.end();
  });
}
