/** What is kept of a namespace: whether pods in it may get sidecars, and whether things can still be made in it. */
import { annotationPrefix } from '../../inject/own-names.ts';
import { ApiGarbage } from './api-fault.ts';
import { field, textOf, textsOf } from './object-fields.ts';
import type { Kept, WatchedKind } from './watched-kind.ts';

export interface KeptNamespace extends Kept {
  /** Its label leaves it to the webhook's selectors to choose pods (`enabled`, or none); with another value none is chosen. */
  readonly injects: boolean;
  /** It is being taken away: nothing can be made in it any more. */
  readonly ending: boolean;
}

const label = `${annotationPrefix}inject`;

export const namespacesKind: WatchedKind<KeptNamespace> = {
  group: '',
  apiVersion: 'v1',
  plural: 'namespaces',
  optional: false,
  fieldSelector: '',
  keep: (object) => {
    const metadata = field(object, 'metadata');
    const key = textOf(field(metadata, 'name'));
    if (key === '') throw new ApiGarbage('a namespace has no metadata.name');
    const said = textsOf(field(metadata, 'labels'))[label];
    return {
      key,
      version: textOf(field(metadata, 'resourceVersion')),
      injects: said === undefined || said === 'enabled',
      ending: textOf(field(metadata, 'deletionTimestamp')) !== '',
    };
  },
};
