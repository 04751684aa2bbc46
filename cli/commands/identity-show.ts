/** `outrigger identity show`: the identity of a sidecar, from its admin port. */
import type { IdentityStatus } from '../../sidecar/identity/identity-status.ts';
import { formatHostPort, parseHostPort } from '../host-port.ts';
import { type Column, type OutputFormat, printData } from '../print-data.ts';
import { sidecarJson } from '../sidecar-admin.ts';
import { UserError } from '../user-error.ts';

export interface IdentityShowOptions {
  readonly sidecarAdmin: string;
  readonly output: OutputFormat;
}

const columns: ReadonlyArray<Column<IdentityStatus>> = [
  { heading: 'identity', cell: (row) => row.spiffe_id },
  { heading: 'state', cell: (row) => row.state },
  { heading: 'issuer', cell: (row) => row.issuer },
  { heading: 'serial', cell: (row) => row.serial_number },
  { heading: 'until', cell: (row) => row.expiration_time },
  { heading: 'renewal', cell: (row) => row.renewal_time },
];

/** Exit code 1 when there is no valid certificate, or less than a quarter of its life is left. */
export async function identityShow(options: IdentityShowOptions, nowMs: number): Promise<number> {
  const address = parseHostPort('--admin', options.sidecarAdmin);
  const at = formatHostPort(address);
  const info = (await sidecarJson(address, '/server_info')) as { readonly identity?: IdentityStatus };
  const { identity } = info;
  if (identity === undefined)
    throw new UserError(
      `the sidecar at ${at} has no identity from a control plane; start it with --join-token-file or --kubernetes-token-file, or look at certificates from elsewhere: outrigger check --sidecar ${at}`,
    );
  printData([identity], columns, options.output);
  const problem = identityProblem(identity, nowMs);
  if (problem === '') return 0;
  process.stderr.write(`outrigger: ${problem}\n`);
  return 1;
}

/** '' when all is well. */
export function identityProblem(identity: IdentityStatus, nowMs: number): string {
  const { spiffe_id, issued_at, expiration_time, last_failure } = identity;
  const because = last_failure === '' ? '' : `; the last attempt failed: ${last_failure}`;
  if (spiffe_id === '') return `there is no certificate yet${because}`;
  const untilMs = Date.parse(expiration_time);
  if (untilMs <= nowMs) return `the certificate of ${spiffe_id} expired at ${expiration_time}${because}`;
  if (untilMs - nowMs < (untilMs - Date.parse(issued_at)) / 4)
    return `less than a quarter of the life of the certificate of ${spiffe_id} is left, until ${expiration_time}${because}`;
  return '';
}
