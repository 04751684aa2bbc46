/** `outrigger identity token create|list|revoke`, by the control plane's admin port. */
import { postJson } from '../admin-call.ts';
import { parseHostPort, parseServiceName, parseWhole } from '../host-port.ts';
import { parseDuration } from '../parse-duration.ts';
import { type Column, dataText, type OutputFormat, printData } from '../print-data.ts';
import { fetchJson } from './get.ts';

interface TokenRow {
  readonly id: string;
  readonly identities: readonly string[];
  readonly usesLeft: number;
  readonly expiresAt: string;
}

interface ChangeOptions {
  readonly controlPlaneAdmin: string;
  readonly dataDir?: string;
}

interface CreateOptions extends ChangeOptions {
  readonly service: string;
  readonly uses: string;
  readonly lifetime: string;
  readonly output: OutputFormat;
}

const columns: ReadonlyArray<Column<TokenRow>> = [
  { heading: 'id', cell: (row) => row.id },
  { heading: 'for', cell: (row) => row.identities.join(' ') },
  { heading: 'uses left', cell: (row) => String(row.usesLeft) },
  { heading: 'expires', cell: (row) => row.expiresAt },
];

const minuteMs = 60_000;

/** The token alone on stdout, so that it can be piped; what it is for beside it. */
export async function createToken(options: CreateOptions): Promise<void> {
  const { namespace, name } = parseServiceName('--service', options.service);
  const body = {
    services: [`${namespace}/${name}`],
    uses: parseWhole('--uses', options.uses, 1, 1_000_000),
    lifetimeMs: parseDuration('--lifetime', options.lifetime, minuteMs, 366 * 24 * 60 * minuteMs),
  };
  const made = (await postJson(
    parseHostPort('--admin', options.controlPlaneAdmin),
    '/api/v1/tokens',
    body,
    options.dataDir,
  )) as TokenRow & { readonly token: string };
  if (options.output !== 'table') {
    process.stdout.write(dataText([made], [], options.output));
    return;
  }
  process.stdout.write(`${made.token}\n`);
  process.stderr.write(
    `for ${made.identities.join(', ')}, ${made.usesLeft === 1 ? 'once' : `${made.usesLeft} times`}, until ${made.expiresAt}; it is not shown again (revoke it with: outrigger identity token revoke ${made.id})\n`,
  );
}

export async function listTokens(options: {
  readonly controlPlaneAdmin: string;
  readonly output: OutputFormat;
}): Promise<void> {
  const rows = (await fetchJson(
    parseHostPort('--admin', options.controlPlaneAdmin),
    '/api/v1/tokens',
  )) as readonly TokenRow[];
  printData(rows, columns, options.output);
}

export async function revokeToken(id: string, options: ChangeOptions): Promise<void> {
  await postJson(parseHostPort('--admin', options.controlPlaneAdmin), '/api/v1/tokens/revoke', { id }, options.dataDir);
  process.stderr.write(`revoked ${id}\n`);
}
