/**
 * Requests of the admin port that change something: only from this machine, and only from who can read what the control plane's owner can, which the local token proves. A web page that somebody has open is on this
 * machine too: it can't name the host as one does here, nor send JSON to it, nor know the token.
 */
import type { IncomingMessage } from 'node:http';
import { IdentityFault } from '../../certs/identity-fault.ts';

/** Takes the JSON of a body and gives what is answered, or a promise of it. Throws IdentityFault, or ActionFault, for what can't be done. */
export type AdminAction = (body: Readonly<Record<string, unknown>>) => unknown;

export interface AdminActions {
  readonly byPath: Readonly<Record<string, AdminAction>>;
  /** Of paths that take longer bodies than others, in bytes. Default: none. */
  readonly longBodies?: Readonly<Record<string, number>>;
  readonly isLocalToken: (text: string) => boolean;
}

/** What the request got wrong. */
export class ActionFault extends Error {}

/** What is to be changed is not any more as the request takes it to be. */
export class StaleFault extends Error {}

interface ActionAnswer {
  readonly status: number;
  readonly body: string;
}

const maxBodyBytes = 64 * 1024;

const refuse = (status: number, why: string): ActionAnswer => ({ status, body: `${why}\n` });

/** Null: go on. */
function refusalOf(request: IncomingMessage, actions: AdminActions): ActionAnswer | null {
  const { 'content-type': type = '' } = request.headers;
  const refusal = strangerRefusal(request);
  if (refusal !== null) return refusal;
  if (!/^application\/json(?:;|$)/.test(type)) return refuse(415, 'send application/json');
  return tokenRefusal(request, actions);
}

/** Of what shows more than anybody may see, though it changes nothing. Null: go on. */
export function ownerRefusal(request: IncomingMessage, actions: AdminActions): ActionAnswer | null {
  return strangerRefusal(request) ?? tokenRefusal(request, actions);
}

function strangerRefusal({ headers, socket }: IncomingMessage): ActionAnswer | null {
  const { host = '' } = headers;
  if (
    !isLoopbackAddress(socket.remoteAddress ?? '') ||
    !/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host)
  )
    return refuse(403, 'what changes something is taken from this machine only, by its loopback address');
  return null;
}

function tokenRefusal({ headers }: IncomingMessage, actions: AdminActions): ActionAnswer | null {
  const { authorization = '' } = headers;
  const token = /^bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
  if (token === undefined || !actions.isLocalToken(token))
    return refuse(
      401,
      "this takes the control plane's local token, which is in its data directory: run the command as the same user, with the same --data-dir",
    );
  return null;
}

/** Never rejects. */
export async function act(request: IncomingMessage, path: string, actions: AdminActions): Promise<ActionAnswer> {
  const action = Object.hasOwn(actions.byPath, path) ? actions.byPath[path] : undefined;
  if (action === undefined) return refuse(404, `nothing can be changed at ${path}`);
  const refusal = refusalOf(request, actions);
  if (refusal !== null) return refusal;
  try {
    const maxBytes = actions.longBodies?.[path] ?? maxBodyBytes;
    return { status: 200, body: `${JSON.stringify(await action(await readBody(request, maxBytes)))}\n` };
  } catch (error) {
    if (error instanceof IdentityFault || error instanceof StaleFault) return refuse(409, error.message);
    if (error instanceof ActionFault) return refuse(400, error.message);
    return refuse(500, `the control plane failed: ${(error as Error).message}`);
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ActionFault(`the body is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString() || '{}');
  } catch {
    throw new ActionFault('the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ActionFault('the body is not a JSON object');
  return value as Record<string, unknown>;
}

/** Of a socket's end. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || address.replace(/^::ffff:/, '').startsWith('127.');
}
