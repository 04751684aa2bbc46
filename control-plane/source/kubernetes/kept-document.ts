/** What is kept of a route or a policy: the resource that comes of it, what is wrong with it, and what stands in its status. */
import { parseDocument } from '../../config-kind/kind.ts';
import type { Resource } from '../../config-kind/resource.ts';
import { pathText } from '../../config-kind/schema-fault.ts';
import { kubernetesPlace } from './kubernetes-place.ts';
import { type Fields, field, fieldsOf, listOf, objectName, textOf } from './object-fields.ts';
import type { Kept } from './watched-kind.ts';

export interface KeptDocument extends Kept {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Counts changes of the spec; the status does not count. */
  readonly generation: number;
  /** Null: it has faults. */
  readonly resource: Resource | null;
  /** Of a good one what it was read from, as JSON; ''. */
  readonly text: string;
  /** `spec.rules[0].timeouts.request: "2sec" is not a duration …` */
  readonly faults: readonly string[];
  /** Of a route: its parents that are Services, as they are written there, in the order of the resource's. */
  readonly parents: readonly Fields[];
  readonly status: unknown;
}

/** Null: a route whose parents are all Gateways', which others serve. `apiVersion` and `kind`: of the collection, as the objects of a list do not say it. */
export function keepDocument(object: unknown, apiVersion: string, kind: string): KeptDocument | null {
  const { key, version, namespace, name } = objectName(object);
  const metadata = field(object, 'metadata');
  const isRoute = kind === 'HTTPRoute' || kind === 'GRPCRoute';
  const spec = fieldsOf(field(object, 'spec'));
  const parents = isRoute ? listOf(field(spec, 'parentRefs')).map(fieldsOf).filter(isService) : [];
  if (isRoute && parents.length === 0) return null;
  const createdAt = textOf(field(metadata, 'creationTimestamp'));
  const document = {
    apiVersion,
    kind,
    metadata: { namespace, name, ...(createdAt === '' ? {} : { creationTimestamp: createdAt }) },
    spec: isRoute ? { ...spec, parentRefs: parents } : field(object, 'spec'),
  };
  const result = parseDocument(document, kubernetesPlace);
  const good = 'resource' in result;
  return {
    key,
    version,
    kind,
    namespace,
    name,
    uid: textOf(field(metadata, 'uid')),
    generation: Number(field(metadata, 'generation')) || 0,
    resource: good ? result.resource : null,
    text: good ? JSON.stringify(document) : '',
    faults: good ? [] : result.faults.map(({ path, message }) => `${pathText(path)}: ${message}`),
    parents,
    status: field(object, 'status') ?? null,
  };
}

function isService(parent: Fields): boolean {
  return (
    textOf(field(parent, 'group')) === '' && field(parent, 'group') !== undefined && field(parent, 'kind') === 'Service'
  );
}
