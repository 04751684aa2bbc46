/**
 * The API server as a kubeconfig file has it: of its current context the server, its CA, and a token or a client certificate. What needs another program or a library to log in (`exec`, `auth-provider`) is refused:
 * a control plane outside of the cluster takes a token of a service account.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { ApiServer } from './api-server.ts';

const text = z.string().min(1);

const kubeconfig = z.object({
  'current-context': z.string().optional(),
  clusters: z.array(
    z.object({
      name: text,
      cluster: z.object({
        server: text,
        'certificate-authority': text.optional(),
        'certificate-authority-data': text.optional(),
        'insecure-skip-tls-verify': z.boolean().optional(),
        'tls-server-name': text.optional(),
        'proxy-url': z.string().optional(),
      }),
    }),
  ),
  contexts: z.array(z.object({ name: text, context: z.object({ cluster: text, user: text }) })),
  users: z.array(
    z.object({
      name: text,
      user: z
        .object({
          token: text.optional(),
          tokenFile: text.optional(),
          'client-certificate': text.optional(),
          'client-certificate-data': text.optional(),
          'client-key': text.optional(),
          'client-key-data': text.optional(),
          exec: z.unknown(),
          'auth-provider': z.unknown(),
          username: z.unknown(),
          as: z.unknown(),
        })
        .partial(),
    }),
  ),
});

/** Fields of a user by which nobody can log in here. */
const foreignLogins = ['exec', 'auth-provider', 'username', 'as'] as const;

/**
 * Reads the file now; the token and the certificates that it names are read again for each use. `namespace`: the control plane's, whatever the context says: that is where its user works, and seldom where our roles are.
 * Throws an Error in one line.
 */
export function kubeconfigApiServer(file: string, namespace: string): ApiServer {
  const fault = (message: string): Error => new Error(`--kubeconfig ${file}: ${message}`);
  let document: unknown;
  try {
    const parsed = parseDocument(readFileSync(file, 'utf8'));
    if (parsed.errors.length > 0) throw new Error(`is not YAML: ${parsed.errors[0]!.message.split('\n', 1)[0]}`);
    document = parsed.toJS();
  } catch (error) {
    throw fault((error as Error).message);
  }
  const read = kubeconfig.safeParse(document);
  if (!read.success) {
    const issue = read.error.issues[0]!;
    throw fault(`${issue.path.join('.')}: ${issue.message}`);
  }
  const { data } = read;
  const name = data['current-context'] ?? '';
  const context = named(data.contexts, name)?.context;
  if (context === undefined)
    throw fault(
      name === ''
        ? 'has no current-context; choose one with kubectl config use-context'
        : `there is no context ${JSON.stringify(name)}, which current-context names`,
    );
  const cluster = named(data.clusters, context.cluster)?.cluster;
  if (cluster === undefined) throw fault(`there is no cluster ${JSON.stringify(context.cluster)}`);
  const user = named(data.users, context.user)?.user;
  if (user === undefined) throw fault(`there is no user ${JSON.stringify(context.user)}`);
  for (const field of foreignLogins)
    if (user[field] !== undefined)
      throw fault(
        `user ${context.user}: ${field} is not supported; use a token of a service account (kubectl create token) or a client certificate`,
      );
  if ((cluster['proxy-url'] ?? '') !== '') throw fault(`cluster ${context.cluster}: proxy-url is not supported`);
  const url = cluster.server.replace(/\/+$/, '');
  if (!/^https?:\/\/[^/]+/.test(url))
    throw fault(`cluster ${context.cluster}: server ${JSON.stringify(url)} is no URL`);
  if (url.startsWith('http:') && !/^http:\/\/(?:127\.|localhost[:/]|localhost$|\[::1\])/.test(url))
    throw fault(
      `cluster ${context.cluster}: server ${JSON.stringify(url)} would get our token without TLS; write https:`,
    );

  const path = (relative: string): string => resolve(dirname(file), relative);
  /** Of two ways to give a text the one in place goes first, as in kubectl. */
  const given = (inPlace: string | undefined, inFile: string | undefined): (() => string | null) => {
    if (inPlace !== undefined) {
      const decoded = Buffer.from(inPlace, 'base64').toString();
      return () => decoded;
    }
    if (inFile === undefined) return () => null;
    const whole = path(inFile);
    return () => readFileSync(whole, 'utf8');
  };
  const ca = given(cluster['certificate-authority-data'], cluster['certificate-authority']);
  const certificate = given(user['client-certificate-data'], user['client-certificate']);
  const key = given(user['client-key-data'], user['client-key']);
  const { token, tokenFile } = user;
  const server: ApiServer = {
    url,
    serverName: cluster['tls-server-name'] ?? null,
    insecure: cluster['insecure-skip-tls-verify'] ?? false,
    ca,
    credentials: () => ({
      token: token ?? (tokenFile === undefined ? null : readFileSync(path(tokenFile), 'utf8').trim()),
      certificate: certificate(),
      key: key(),
    }),
    namespace,
    inPod: false,
  };
  try {
    server.ca();
    server.credentials();
  } catch (error) {
    throw fault((error as Error).message);
  }
  return server;
}

function named<T extends { readonly name: string }>(list: readonly T[], name: string): T | undefined {
  return list.find((each) => each.name === name);
}
