/**
 * `outrigger dashboard`: the address of the control plane's dashboard, with the local token behind the `#`, which no browser sends to a server. `--open` opens it by a page in the data directory that leads there: what stands on a
 * command line can be read by every user of the machine, and so can what a browser is started with.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readOwnerOnly, writeOwnerOnly } from '../../certs/storage/owner-only.ts';
import { defaultDataDir } from '../data-dir.ts';
import { formatHostPort, type HostPort, parseHostPort } from '../host-port.ts';
import { UserError } from '../user-error.ts';
import { fetchJson } from './get.ts';

export interface DashboardOptions {
  readonly controlPlaneAdmin: string;
  readonly dataDir?: string;
  readonly open?: boolean;
  /** False: to look at only. */
  readonly token: boolean;
}

export async function dashboard(options: DashboardOptions): Promise<void> {
  const address = parseHostPort('--control-plane-admin', options.controlPlaneAdmin);
  // A token belongs to one control plane; no other is told of it, nor is somebody sent where none answers.
  await fetchJson(address, '/api/v1/control-plane');
  const folder = options.dataDir ?? defaultDataDir(process.env);
  const token = options.token ? localToken(folder) : '';
  const url = dashboardUrl(address, token);
  process.stdout.write(`${url}\n`);
  if (options.token && token === '')
    process.stderr.write(
      `outrigger: there is no local token in ${folder}, so that address is for looking only; name the control plane's data directory with --data-dir to change something too\n`,
    );
  if (options.open === true) await openInBrowser(token === '' ? url : leadingPage(folder, url));
}

/** `token` '': none. */
export function dashboardUrl(address: HostPort, token: string): string {
  return `http://${formatHostPort(address)}/${token === '' ? '' : `#token=${token}`}`;
}

function localToken(folder: string): string {
  try {
    return (readOwnerOnly(join(folder, 'local-token')) ?? '').trim();
  } catch (error) {
    throw new UserError(
      `cannot read ${join(folder, 'local-token')}: ${(error as Error).message}; --no-token prints the address without it`,
    );
  }
}

/** Beside the token itself, and closed to others as it is. */
function leadingPage(folder: string, url: string): string {
  const file = join(folder, 'dashboard.html');
  writeOwnerOnly(
    file,
    `<!doctype html>\n<meta charset="utf-8">\n<meta http-equiv="refresh" content="0; url=${url}">\n<title>Outrigger</title>\n<a href="${url}">the dashboard</a>\n`,
  );
  return pathToFileURL(file).href;
}

function openInBrowser(target: string): Promise<void> {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  return new Promise((resolve, reject) => {
    const child = spawn(program, [target], { stdio: 'ignore', detached: true });
    child.once('spawn', () => {
      child.unref();
      resolve();
    });
    child.once('error', ({ message }) =>
      reject(new UserError(`cannot open a browser by ${program} (${message}); open the address above yourself`)),
    );
  });
}
