/** `outrigger webhook`: what the Kubernetes API server has to be told of the injection webhook. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import { webhookConfiguration } from '../../control-plane/inject/webhook/webhook-configuration.ts';
import { defaultDataDir } from '../data-dir.ts';
import { parseServiceName, parseWhole } from '../host-port.ts';
import { readUserFile } from '../read-file.ts';
import { UserError } from '../user-error.ts';

export interface WebhookCommandOptions {
  readonly webhookConfiguration: string;
  readonly service: string;
  readonly servicePort: string;
  readonly url?: string;
  readonly failurePolicy: 'Fail' | 'Ignore';
  readonly trustBundle?: string;
  readonly dataDir?: string;
  readonly output: 'yaml' | 'json';
}

export function webhook(options: WebhookCommandOptions): void {
  const { url = '' } = options;
  if (url !== '' && !/^https:\/\/[^/?#@]+$/.test(url))
    throw new UserError(`--url: ${JSON.stringify(url)} is not https://HOST:PORT`, 2);
  const file = options.trustBundle ?? join(options.dataDir ?? defaultDataDir(process.env), 'trust-bundle.pem');
  const caBundle = readUserFile(file);
  if (!caBundle.includes('-----BEGIN CERTIFICATE-----'))
    throw new UserError(`${file}: has no certificate (PEM) in it; name the mesh's roots with --trust-bundle`);
  const { namespace, name } = parseServiceName('--service', options.service);
  const value = webhookConfiguration({
    service:
      url === '' ? { namespace, name, port: parseWhole('--service-port', options.servicePort, 1, 65_535) } : null,
    url,
    caBundle,
    failurePolicy: options.failurePolicy,
    configurationName: options.webhookConfiguration,
  });
  process.stdout.write(
    options.output === 'json'
      ? `${JSON.stringify(value, null, 2)}\n`
      : stringify(value, { aliasDuplicateObjects: false }),
  );
}
