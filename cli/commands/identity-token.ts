/** `outrigger identity token create|list|revoke`, by the control plane's admin port. */
import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeOwnerOnly } from '../../certs/storage/owner-only.ts';
import { postJson } from '../admin-call.ts';
import { defaultDataDir } from '../data-dir.ts';
import { parseHostPort, parseServiceName, parseWhole } from '../host-port.ts';
import { parseDuration } from '../parse-duration.ts';
import { type Column, dataText, type OutputFormat, printData } from '../print-data.ts';
import { UserError } from '../user-error.ts';
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
  /** A folder for the token and the roots, instead of stdout. */
  readonly to?: string;
  readonly output: OutputFormat;
}

const columns: ReadonlyArray<Column<TokenRow>> = [
  { heading: 'id', cell: (row) => row.id },
  { heading: 'for', cell: (row) => row.identities.join(' ') },
  { heading: 'uses left', cell: (row) => String(row.usesLeft) },
  { heading: 'expires', cell: (row) => row.expiresAt },
];

const minuteMs = 60_000;
const tokenFile = 'join-token';
const bundleFile = 'trust-bundle.pem';

/** The token alone on stdout, so that it can be piped, or in a file where there is no shell to pipe by; what it is for beside it. */
export async function createToken(options: CreateOptions): Promise<void> {
  const { namespace, name } = parseServiceName('--service', options.service);
  const body = {
    services: [`${namespace}/${name}`],
    uses: parseWhole('--uses', options.uses, 1, 1_000_000),
    lifetimeMs: parseDuration('--lifetime', options.lifetime, minuteMs, 366 * 24 * 60 * minuteMs),
  };
  if (options.to !== undefined) checkFolder(options.to);
  const made = (await postJson(
    parseHostPort('--control-plane-admin', options.controlPlaneAdmin),
    '/api/v1/tokens',
    body,
    options.dataDir,
  )) as TokenRow & { readonly token: string };
  if (options.to !== undefined) writeProof(options.to, made.token, options.dataDir ?? defaultDataDir(process.env));
  else if (options.output !== 'table') {
    process.stdout.write(dataText([made], [], options.output));
    return;
  } else process.stdout.write(`${made.token}\n`);
  process.stderr.write(
    `for ${made.identities.join(', ')}, ${made.usesLeft === 1 ? 'once' : `${made.usesLeft} times`}, until ${made.expiresAt}; ${options.to === undefined ? 'it is not shown again' : `it is in ${join(options.to, tokenFile)}, and the roots beside it`} (revoke it with: outrigger identity token revoke ${made.id})\n`,
  );
}

/** Looked at first: a token that could not be written would be lost. */
function checkFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new UserError(`--to: there is no folder ${folder}`, 2);
}

/** All that a sidecar needs of the control plane's data directory, which is every identity. */
function writeProof(folder: string, token: string, dataDir: string): void {
  try {
    copyFileSync(join(dataDir, bundleFile), join(folder, bundleFile));
    writeOwnerOnly(join(folder, tokenFile), `${token}\n`);
  } catch (error) {
    throw new UserError(`--to ${folder}: ${(error as Error).message}`);
  }
}

export async function listTokens(options: {
  readonly controlPlaneAdmin: string;
  readonly output: OutputFormat;
}): Promise<void> {
  const rows = (await fetchJson(
    parseHostPort('--control-plane-admin', options.controlPlaneAdmin),
    '/api/v1/tokens',
  )) as readonly TokenRow[];
  printData(rows, columns, options.output);
}

export async function revokeToken(id: string, options: ChangeOptions): Promise<void> {
  await postJson(
    parseHostPort('--control-plane-admin', options.controlPlaneAdmin),
    '/api/v1/tokens/revoke',
    { id },
    options.dataDir,
  );
  process.stderr.write(`revoked ${id}\n`);
}
