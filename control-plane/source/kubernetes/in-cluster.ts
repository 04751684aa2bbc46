/** The API server as a Pod finds it: two variables, and the files of its service account, which Kubernetes renews in place. */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { ApiServer } from './api-server.ts';

/** Where Kubernetes mounts them. */
export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Throws an Error in one line when this is no Pod, or one without a token. */
export function inClusterApiServer(environment: NodeJS.ProcessEnv, folder: string = serviceAccountFolder): ApiServer {
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = environment['KUBERNETES_SERVICE_PORT_HTTPS'] ?? environment['KUBERNETES_SERVICE_PORT'] ?? '443';
  if (host === '')
    throw new Error(
      '--source kubernetes: this is not a Pod (KUBERNETES_SERVICE_HOST is not set); say where the API server is with --kubeconfig FILE',
    );
  const tokenFile = join(folder, 'token');
  if (!existsSync(tokenFile))
    throw new Error(
      `--source kubernetes: there is no ${tokenFile}; give the Pod a serviceAccountName, and do not switch automountServiceAccountToken off`,
    );
  const text = (name: string): string => readFileSync(join(folder, name), 'utf8').trim();
  return {
    url: `https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`,
    serverName: null,
    insecure: false,
    ca: () => text('ca.crt'),
    credentials: () => ({ token: text('token'), certificate: null, key: null }),
    namespace: existsSync(join(folder, 'namespace')) ? text('namespace') : 'default',
    inPod: true,
  };
}
