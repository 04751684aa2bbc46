/** The object by which the API server knows the webhook: for which pods it asks, whom it believes, and what happens when nobody answers. */
import { annotationPrefix, ownNamespaces } from '../own-names.ts';
import { webhookPath } from './webhook-server.ts';

export interface WebhookRegistration {
  /** Of the Service in front of the control plane; null: a URL is called. */
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number } | null;
  /** `https://HOST:PORT`; '' with a Service. */
  readonly url: string;
  /** PEM. */
  readonly caBundle: string;
  /** Of the object. Default: {@link webhookConfigurationName}. */
  readonly configurationName?: string;
  /** What happens to pods while the webhook does not answer. `Fail`: they are not made; `Ignore`: they are made without a sidecar. */
  readonly failurePolicy: 'Fail' | 'Ignore';
}

export const webhookConfigurationName = 'outrigger-inject';
/** What the names of our entries end with. */
export const ownWebhookSuffix = '.inject.outrigger.dev';

const word = `${annotationPrefix}inject`;
const notOurs = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: [...ownNamespaces] };

/** MutatingWebhookConfiguration (admissionregistration.k8s.io/v1). Two entries: namespaces that ask for sidecars, and single pods elsewhere; a namespace that says disabled has none. */
export function webhookConfiguration({
  service,
  url,
  caBundle,
  failurePolicy,
  configurationName = webhookConfigurationName,
}: WebhookRegistration): object {
  const clientConfig = {
    ...(service === null ? { url: `${url}${webhookPath}` } : { service: { ...service, path: webhookPath } }),
    ...(caBundle === '' ? {} : { caBundle: Buffer.from(caBundle).toString('base64') }),
  };
  const webhook = (name: string, namespace: object, pod: object): object => ({
    name: `${name}${ownWebhookSuffix}`,
    admissionReviewVersions: ['v1'],
    clientConfig,
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' }],
    namespaceSelector: { matchExpressions: [notOurs, namespace] },
    objectSelector: { matchExpressions: [pod] },
    failurePolicy,
    // What another webhook puts into a pod behind us has probes too.
    reinvocationPolicy: 'IfNeeded',
    matchPolicy: 'Equivalent',
    sideEffects: 'None',
    timeoutSeconds: 10,
  });
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: configurationName, labels: { 'app.kubernetes.io/name': 'outrigger' } },
    webhooks: [
      webhook(
        'namespace',
        { key: word, operator: 'In', values: ['enabled'] },
        { key: word, operator: 'NotIn', values: ['disabled'] },
      ),
      webhook('pod', { key: word, operator: 'DoesNotExist' }, { key: word, operator: 'In', values: ['enabled'] }),
    ],
  };
}
