/** `outrigger report`: gathers what a bug report needs into one archive on this machine, with secrets masked. Sends nothing anywhere. The parts are listed here; how they are taken and masked stands in report/. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { toJsonString } from '@bufbuild/protobuf';
import { listFiles } from '../../control-plane/source/list-files.ts';
import { ClientStatusResponseSchema } from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { version } from '../../sidecar/runtime/version.ts';
import { fetchClientStatus } from '../client-status.ts';
import { formatHostPort, type HostPort, parseHostPort } from '../host-port.ts';
import { parseDuration } from '../parse-duration.ts';
import { type OutputFormat, printData } from '../print-data.ts';
import { adminText } from '../report/admin-text.ts';
import { collectParts, type Part, type TakenPart } from '../report/collect-parts.ts';
import { machineFacts } from '../report/machine-facts.ts';
import { tar } from '../report/tar.ts';
import { UserError } from '../user-error.ts';
import { checkFindings } from './check.ts';

export interface ReportOptions {
  readonly file?: string;
  readonly controlPlaneAdmin: string;
  readonly controlPlane: string;
  readonly sidecarAdmin: readonly string[];
  readonly config: readonly string[];
  readonly log: readonly string[];
  readonly timeout: string;
  readonly output: OutputFormat;
}

const maxPartBytes = 32 * 1024 * 1024;
const maxBytes = 128 * 1024 * 1024;
/** Of each log file: its end. */
const maxLogBytes = 1024 * 1024;
const maxConfigFiles = 500;

/** Lists of the control plane's admin port; those that an older one does not have are named as missing. */
const controlPlaneLists = [
  ...['control-plane', 'services', 'endpoints', 'routes', 'policies', 'proxies', 'workloads', 'loads', 'key-sets'],
  ...['faults', 'warnings', 'authority', 'edges', 'requests?limit=500'],
];

const sidecarPages: ReadonlyArray<readonly [path: string, file: string, kind: Part['kind']]> = [
  ['/server_info', 'server_info.json', 'json'],
  ['/ready', 'ready.txt', 'text'],
  ['/config_dump', 'config_dump.json', 'json'],
  ['/stats?format=json', 'stats.json', 'json'],
  ['/stats/prometheus', 'metrics.txt', 'text'],
  ['/clusters?format=json', 'clusters.json', 'json'],
  ['/listeners?format=json', 'listeners.json', 'json'],
  ['/certs', 'certs.json', 'json'],
  ['/circuit_breakers', 'circuit_breakers.json', 'json'],
  ['/requests', 'requests.json', 'json'],
];

/** Exit code 1 when there is nothing but what this machine says of itself. */
export async function report(options: ReportOptions, wallMs: () => number, nowMs: () => number): Promise<number> {
  const atMs = wallMs();
  const timeoutMs = parseDuration('--timeout', options.timeout, 1_000, 600_000);
  const controlPlane = parseHostPort('--control-plane-admin', options.controlPlaneAdmin);
  const sidecars = options.sidecarAdmin.map((text) => parseHostPort('--sidecar-admin', text));
  const file = options.file ?? `outrigger-report-${new Date(atMs).toISOString().replaceAll(/[:.]/g, '-')}.tar.gz`;
  const parts = [
    ...machineParts(atMs),
    ...controlPlaneParts(controlPlane, options),
    ...sidecars.flatMap(sidecarParts),
    ...checkParts(options, sidecars, wallMs),
    ...configParts(options.config),
    ...options.log.map(logPart),
  ];
  const { files, parts: taken } = await collectParts(parts, { timeoutMs, maxPartBytes, maxBytes, nowMs });
  const manifest = { madeBy: `outrigger ${version}`, at: new Date(atMs).toISOString(), masked: true, parts: taken };
  const folder = 'outrigger-report';
  const archive = tar(
    [{ name: 'manifest.json', bytes: Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`) }, ...files].map(
      ({ name, bytes }) => ({ name: `${folder}/${name}`, bytes }),
    ),
    atMs,
  );
  write(file, gzipSync(archive));
  printData(taken, columns, options.output);
  process.stderr.write(
    `\n${file}: ${files.length} parts, secrets masked; it was sent nowhere. Look through it before you hand it on.\n`,
  );
  return files.some(({ name }) => /^(?:control-plane|sidecar)/.test(name)) ? 0 : 1;
}

const columns = [
  { heading: 'part', cell: ({ name }: TakenPart) => name },
  { heading: '', cell: ({ outcome }: TakenPart) => outcome },
  { heading: 'bytes', cell: ({ bytes }: TakenPart) => (bytes === 0 ? '' : String(bytes)) },
  { heading: 'why', cell: ({ why }: TakenPart) => why },
];

function write(file: string, bytes: Buffer): void {
  try {
    // Never over something that is there, and for this user only.
    writeFileSync(file, bytes, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(
      code === 'EEXIST' ? `${file} is there already; name another with --file` : `cannot write ${file}: ${message}`,
    );
  }
}

function machineParts(atMs: number): Part[] {
  return [{ name: 'machine.json', kind: 'json', take: () => machineFacts(version, atMs) }];
}

function controlPlaneParts(address: HostPort, { controlPlane }: ReportOptions): Part[] {
  return [
    ...controlPlaneLists.map((list): Part => {
      const name = `control-plane/${list.split('?')[0]!}.json`;
      return { name, kind: 'json', take: (signal) => adminText(address, `/api/v1/${list}`, signal) };
    }),
    { name: 'control-plane/metrics.txt', kind: 'text', take: (signal) => adminText(address, '/metrics', signal) },
    {
      name: 'control-plane/status.json',
      kind: 'json',
      take: async () => toJsonString(ClientStatusResponseSchema, await fetchClientStatus(controlPlane)),
    },
  ];
}

function sidecarParts(address: HostPort): Part[] {
  const folder = `sidecar-${formatHostPort(address)
    .replaceAll(/[^\w.]/g, '-')
    .slice(0, 50)}`;
  return sidecarPages.map(([path, file, kind]) => ({
    name: `${folder}/${file}`,
    kind,
    take: (signal) => adminText(address, path, signal),
  }));
}

function checkParts(options: ReportOptions, sidecars: readonly HostPort[], wallMs: () => number): Part[] {
  const { controlPlaneAdmin, controlPlane, output } = options;
  const check = (name: string, sidecarAdmin?: string): Part => ({
    name,
    kind: 'json',
    take: async () =>
      JSON.stringify(
        await checkFindings(
          { controlPlaneAdmin, controlPlane, output, ...(sidecarAdmin === undefined ? {} : { sidecarAdmin }) },
          wallMs,
        ),
      ),
  });
  return [
    check('check/installation.json'),
    ...sidecars.map((address, i) => check(`check/sidecar-${i + 1}.json`, formatHostPort(address))),
  ];
}

function configParts(paths: readonly string[]): Part[] {
  const { files, faults } = listFiles(paths, new Set());
  return [
    ...files.slice(0, maxConfigFiles).map((file, i): Part => {
      const name = `configuration/${String(i + 1).padStart(3, '0')}-${file.replaceAll(/[^\w.]+/g, '-').slice(-60)}`;
      return { name, kind: 'yaml', take: () => readFileSync(file, 'utf8') };
    }),
    ...(files.length > maxConfigFiles
      ? [missing('configuration', `there are ${files.length} files, and ${maxConfigFiles} are taken`)]
      : []),
    ...faults.map((fault) => missing(`configuration/${fault.file}`, fault.message)),
  ];
}

function missing(name: string, why: string): Part {
  return {
    name,
    kind: 'text',
    take: () => {
      throw new Error(why);
    },
  };
}

function logPart(file: string, i: number): Part {
  const name = `logs/${i + 1}-${file.replaceAll(/[^\w.]+/g, '-').slice(-60)}`;
  return { name, kind: 'lines', take: () => endOf(file) };
}

/** Whole lines. */
function endOf(file: string): string {
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    const from = Math.max(0, size - maxLogBytes);
    const bytes = Buffer.alloc(size - from);
    const read = readSync(handle, bytes, 0, bytes.length, from);
    const text = bytes.subarray(0, read).toString();
    return from === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    closeSync(handle);
  }
}
