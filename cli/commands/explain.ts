/** `outrigger explain`: what happened to one request, hop by hop, in words. From the control plane, which asks all sidecars; or of one sidecar alone, by its admin port. */
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { stringify } from 'yaml';
import { explain as explainRecords } from '../../control-plane/observe/explain/explain.ts';
import { RequestRecordSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { escapeControls } from '../../sidecar/runtime/log.ts';
import { parseHostPort } from '../host-port.ts';
import { silentText } from '../live/edge-table.ts';
import { liveJson } from '../live/live-json.ts';
import type { OutputFormat } from '../print-data.ts';
import { sidecarAnswer } from '../sidecar-admin.ts';
import { UserError } from '../user-error.ts';

export interface ExplainOptions {
  readonly controlPlaneAdmin: string;
  /** Undefined: all of them, by the control plane. */
  readonly sidecarAdmin?: string;
  readonly output: OutputFormat;
}

interface Explained {
  readonly requestId: string;
  readonly explanation: {
    readonly summary: string;
    readonly hops: readonly string[];
    readonly why: readonly string[];
    readonly next: readonly string[];
  };
  readonly silent: readonly string[];
}

/** 1: nobody knows it. */
export async function explain(requestId: string, options: ExplainOptions): Promise<0 | 1> {
  const found = await (options.sidecarAdmin === undefined
    ? fromControlPlane(requestId, options.controlPlaneAdmin)
    : fromSidecar(requestId, options.sidecarAdmin));
  if ('error' in found) {
    if (options.output !== 'table') process.stdout.write(`${JSON.stringify(found)}\n`);
    process.stderr.write(`outrigger: ${found.error}\n`);
    return 1;
  }
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  else if (options.output === 'yaml') process.stdout.write(stringify(found));
  else process.stdout.write(storyText(found));
  const silent = silentText(found);
  if (silent !== '') process.stderr.write(`outrigger: ${silent}; their hops are missing\n`);
  return 0;
}

async function fromControlPlane(id: string, admin: string): Promise<Explained | { readonly error: string }> {
  const address = parseHostPort('--control-plane-admin', admin);
  const { body } = await liveJson(address, `/api/v1/requests/${encodeURIComponent(id)}`, [404]);
  return body as Explained | { readonly error: string };
}

async function fromSidecar(id: string, admin: string): Promise<Explained | { readonly error: string }> {
  const address = parseHostPort('--sidecar-admin', admin);
  const { status, body } = await sidecarAnswer(address, `/requests/${encodeURIComponent(id)}`);
  if (status === 404) return { error: body.trim() };
  const records = status === 200 ? readRecords(body) : null;
  if (records === null)
    throw new UserError(`what answers at ${admin} is not a sidecar that keeps requests (${status})`);
  const { requestId, explanation } = explainRecords(records);
  return { requestId, explanation, silent: [] };
}

function readRecords(text: string) {
  try {
    const { requests } = JSON.parse(text) as { readonly requests: readonly JsonValue[] };
    return requests.map((each) => fromJson(RequestRecordSchema, each, { ignoreUnknownFields: true }));
  } catch {
    return null;
  }
}

/** What callers sent stands in it: no control character of theirs reaches a terminal. */
function storyText({ explanation: { summary, hops, why, next } }: Explained): string {
  const lines = [summary, '', ...hops.map((line) => `  ${line}`), ''];
  lines.push(...why.map((line, i) => `  ${i === 0 ? 'Why: ' : '     '}${line}`));
  lines.push(...next.map((line, i) => `  ${i === 0 ? 'Next: ' : '      '}${line}`));
  return `${lines.map((line) => escapeControls(line).trimEnd()).join('\n')}\n`;
}
