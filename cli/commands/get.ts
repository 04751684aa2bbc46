/** `outrigger get`: what the control plane knows, from its admin port. */
import type { IncomingHttpHeaders } from 'node:http';
import { connectionFault } from '../connection-fault.ts';
import { type HostPort, parseHostPort } from '../host-port.ts';
import { type Column, type OutputFormat, printData } from '../print-data.ts';
import { UserError } from '../user-error.ts';

interface GetOptions {
  readonly controlPlaneAdmin: string;
  readonly output: OutputFormat;
}

type Row = Readonly<Record<string, unknown>>;

/** Columns by kind; JSON and YAML have everything that the control plane says. */
const columns: Readonly<Record<string, ReadonlyArray<Column<Row>>>> = {
  services: [field('namespace'), field('name'), field('ports'), field('addresses'), field('endpoints')],
  endpoints: [
    field('service'),
    field('port'),
    field('address'),
    field('instance', 'instanceId'),
    field('labels'),
    field('zone'),
    field('source'),
  ],
  routes: [
    field('namespace'),
    field('kind'),
    field('name'),
    field('service'),
    field('rule'),
    field('matches'),
    field('backends'),
  ],
  policies: [
    field('namespace'),
    field('kind'),
    field('name'),
    field('holds for', 'holdsFor'),
    field('action'),
    field('rules'),
    field('refused by', 'refusedBy'),
    field('warnings'),
    field('says'),
  ],
  proxies: [
    field('id', 'nodeId'),
    field('service', 'cluster'),
    field('kind'),
    field('address', 'peer'),
    field('identity'),
    field('connected', 'connectedAt'),
  ],
  loads: [
    field('from', 'source'),
    field('to', 'destination'),
    field('port'),
    field('zone'),
    field('req/s', 'requestsPerSecond'),
    { heading: 'errors', cell: ({ errorShare }) => (typeof errorShare === 'number' ? `${percent(errorShare)} %` : '') },
    field('in progress', 'inProgress'),
    field('dropped/s', 'droppedPerSecond'),
    field('proxies'),
  ],
};

function percent(share: number): string {
  return String(Math.round(share * 1_000) / 10);
}

function field(heading: string, key: string = heading): Column<Row> {
  return { heading, cell: (row) => cellText(row[key]) };
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(cellText).join(',');
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([key, inner]) => `${key}=${cellText(inner)}`)
      .join(' ');
  }
  return String(value as string | number | boolean);
}

export async function get(kind: string, options: GetOptions): Promise<void> {
  const rows = (await fetchJson(
    parseHostPort('--control-plane-admin', options.controlPlaneAdmin),
    `/api/v1/${kind}`,
  )) as readonly Row[];
  printData(rows, columns[kind]!, options.output);
}

/** GETs JSON from the control plane's admin port; a UserError says what is wrong when there is none. */
export async function fetchJson(address: HostPort, path: string): Promise<unknown> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const call = request({ host: address.host, port: address.port, path, timeout: 5_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('error', (error) => call.destroy(error));
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => {
        if (response.statusCode === 200) {
          try {
            resolve(JSON.parse(body));
          } catch {
            reject(
              new UserError(
                `what answers at ${address.host}:${address.port} is not a control plane: no JSON came for ${path}; name another with --control-plane-admin`,
              ),
            );
          }
        } else if (!isOurs(response.headers)) reject(new UserError(notOurs(address, response.statusCode)));
        else
          reject(
            new UserError(
              `the control plane at ${address.host}:${address.port} answered ${response.statusCode} for ${path}: ${body.trim()}`,
            ),
          );
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', (error) =>
      reject(
        new UserError(
          `no control plane at ${address.host}:${address.port} (${connectionFault(error)}); start one with outrigger control-plane, or name another with --control-plane-admin`,
        ),
      ),
    );
    call.end();
  });
}

/** Only what our admin port says is shown: a page of another server is none of it. */
export function isOurs({ server }: IncomingHttpHeaders): boolean {
  return server === 'outrigger';
}

export function notOurs({ host, port }: HostPort, status: number | undefined): string {
  return `what answers at ${host}:${port} is not a control plane (${status}); name another with --control-plane-admin`;
}
