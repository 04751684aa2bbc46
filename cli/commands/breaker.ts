/** `outrigger breaker`: the circuit breakers of a sidecar, from its admin port, or of all sidecars, through the control plane; an operator may hold one open or closed, or release it. */
import type { BreakerRow as MeshBreakerRow } from '../../control-plane/observe/breaker-list.ts';
import { postJson } from '../admin-call.ts';
import { parseHostPort } from '../host-port.ts';
import { silentText } from '../live/edge-table.ts';
import { liveJson } from '../live/live-json.ts';
import { type Column, type OutputFormat, printData } from '../print-data.ts';
import { sidecarJson, sidecarPost } from '../sidecar-admin.ts';
import { UserError } from '../user-error.ts';

export const breakerActions = ['list', 'open', 'close', 'release'] as const;
export type BreakerAction = (typeof breakerActions)[number];

export interface BreakerOptions {
  readonly sidecarAdmin: string;
  readonly output: OutputFormat;
  /** Through the control plane: of all sidecars, or of this one (node id), or of these of a service (`namespace/service`). */
  readonly all?: boolean;
  readonly proxy?: string;
  readonly controlPlaneAdmin: string;
  readonly dataDir?: string;
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
  if (options.all === true || options.proxy !== undefined) {
    await meshBreaker(action, name, options);
    return;
  }
  const address = parseHostPort('--admin', options.sidecarAdmin);
  if (action !== 'list') {
    if (name === undefined) throw new UserError(`breaker ${action} needs a name; outrigger breaker list shows them`, 2);
    await sidecarPost(address, `/circuit_breakers/${action}?name=${encodeURIComponent(name)}`, token);
  }
  const { circuit_breakers: all } = (await sidecarJson(address, '/circuit_breakers')) as {
    readonly circuit_breakers: readonly BreakerRow[];
  };
  const rows = name === undefined ? all : all.filter((row) => row.name === name);
  if (name !== undefined && rows.length === 0)
    throw new UserError(`there is no circuit breaker ${name}; outrigger breaker list shows them`);
  printData(rows, columns, options.output);
}

const meshColumns: ReadonlyArray<Column<MeshBreakerRow>> = [
  { heading: 'proxy', cell: ({ proxy }) => proxy },
  { heading: 'of', cell: ({ scope }) => scope },
  { heading: 'name', cell: ({ name }) => name },
  { heading: 'state', cell: (row) => `${row.state.replace('_', '-')}${row.heldByOperator ? ' (held)' : ''}` },
  { heading: 'since', cell: ({ sinceSeconds }) => `${sinceSeconds} s` },
  { heading: 'calls', cell: ({ calls }) => String(calls) },
  { heading: 'failed', cell: ({ failures }) => String(failures) },
  { heading: 'slow', cell: ({ slow }) => String(slow) },
  { heading: 'refused', cell: ({ refused }) => String(refused) },
  { heading: 'rule', cell: ({ rule }) => rule },
  { heading: 'why', cell: ({ why }) => why },
];

const heldAs = { open: 'open', close: 'closed', release: 'automatic' } as const;

async function meshBreaker(action: BreakerAction, name: string | undefined, options: BreakerOptions): Promise<void> {
  const address = parseHostPort('--control-plane-admin', options.controlPlaneAdmin);
  const { proxy } = options;
  if (action !== 'list') {
    if (name === undefined) throw new UserError(`breaker ${action} needs a name; outrigger breaker list shows them`, 2);
    if (proxy === undefined)
      throw new UserError(
        `breaker ${action} through the control plane needs --proxy: a node id, or NAMESPACE/SERVICE for all of a service`,
        2,
      );
    const body = { proxy, breaker: name, state: heldAs[action] };
    await postJson(address, '/api/v1/breakers', body, options.dataDir);
  }
  const { breakers, silent } = (await liveJson(address, '/api/v1/breakers')).body as {
    readonly breakers: readonly MeshBreakerRow[];
    readonly silent: readonly string[];
  };
  if (silent.length > 0) process.stderr.write(`outrigger: ${silentText({ silent })}\n`);
  const rows = breakers.filter(
    (row) =>
      (name === undefined || row.name === name) &&
      (proxy === undefined || row.proxy === proxy || row.service === proxy),
  );
  if (name !== undefined && rows.length === 0)
    throw new UserError(`no sidecar has a circuit breaker ${name}; outrigger breaker list --all shows them`);
  printData(rows, meshColumns, options.output);
}
