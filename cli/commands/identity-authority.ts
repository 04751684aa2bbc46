/** `outrigger identity authority` and `outrigger identity rotate`: who signs, who is trusted, and the change from one root to the next. */
import { postJson } from '../admin-call.ts';
import { parseHostPort } from '../host-port.ts';
import { type Column, dataText, type OutputFormat } from '../print-data.ts';
import { UserError } from '../user-error.ts';
import { fetchJson } from './get.ts';

interface Authority {
  readonly id: string;
  readonly signs: boolean;
  readonly expiresAt: string;
}

interface AuthorityStatus {
  readonly trustDomain: string;
  readonly state: string;
  readonly authorities: readonly Authority[];
  readonly roots: readonly string[];
  readonly federated: readonly string[];
  readonly ownRoot: boolean;
  readonly rotation: {
    readonly holders: number;
    readonly ready: number;
    readonly waitingFor: readonly string[];
    readonly awayUntil: string;
  } | null;
}

interface ShowOptions {
  readonly controlPlaneAdmin: string;
  readonly output: OutputFormat;
}

const columns: ReadonlyArray<Column<Authority>> = [
  { heading: 'authority', cell: (row) => row.id },
  { heading: 'role', cell: (row) => (row.signs ? 'signs' : 'trusted') },
  { heading: 'expires', cell: (row) => row.expiresAt },
];

export async function showAuthority(options: ShowOptions): Promise<void> {
  const status = await fetchJson(
    parseHostPort('--control-plane-admin', options.controlPlaneAdmin),
    '/api/v1/authority',
  );
  print(status as AuthorityStatus, options.output);
}

export async function rotate(
  options: ShowOptions & { readonly force?: boolean; readonly revert?: boolean; readonly dataDir?: string },
): Promise<void> {
  if (options.force === true && options.revert === true)
    throw new UserError('--force is the next step of a rotation, and --revert the way back; give one of them', 2);
  const status = await postJson(
    parseHostPort('--control-plane-admin', options.controlPlaneAdmin),
    '/api/v1/authority/rotate',
    { force: options.force === true, revert: options.revert === true },
    options.dataDir,
  );
  print(status as AuthorityStatus, options.output);
}

function print(status: AuthorityStatus, format: OutputFormat): void {
  if (format !== 'table') {
    process.stdout.write(dataText([status], [], format));
    return;
  }
  const { trustDomain, state, authorities, roots, federated, ownRoot } = status;
  process.stdout.write(
    [
      `trust domain   ${trustDomain}${federated.length > 0 ? `, federated with ${federated.join(', ')}` : ''}`,
      `now            ${state}`,
      `made by        ${ownRoot ? 'this control plane' : 'you (--ca-certificate)'}`,
      ...roots.map((fingerprint) => `trusted root   SHA-256 ${fingerprint}`),
      ...waitingLines(status.rotation),
      '',
      dataText(authorities, columns, 'table'),
    ].join('\n'),
  );
}

function waitingLines(rotation: AuthorityStatus['rotation']): readonly string[] {
  if (rotation === null) return [];
  const { holders, ready, waitingFor, awayUntil } = rotation;
  return [
    `ready          ${ready} of ${holders} that hold certificates`,
    ...waitingFor.map((who) => `waits for      ${who}`),
    ...(awayUntil === ''
      ? []
      : [
          `               those that are away may come back until ${awayUntil}; outrigger identity rotate --force goes on without them, and their requests fail then`,
        ]),
  ];
}
