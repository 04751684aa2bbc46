/** What is kept of the ConfigMaps `outrigger-root`, one of each namespace: the roots in it, and whether we made it. */
import { rootConfigMap, rootKey } from '../../inject/own-names.ts';
import { field, objectName, textOf } from './object-fields.ts';
import type { Kept, WatchedKind } from './watched-kind.ts';

/** Its key is its namespace. */
export interface KeptRootConfigMap extends Kept {
  /** PEM, as it stands there; ''. */
  readonly roots: string;
  readonly isOurs: boolean;
}

const managedBy = 'app.kubernetes.io/managed-by';
/** By this label the ConfigMaps that we made are told from those of others under the same name. */
export const ownLabels: Readonly<Record<string, string>> = { [managedBy]: 'outrigger-control-plane' };

export const rootConfigMapsKind: WatchedKind<KeptRootConfigMap> = {
  group: '',
  apiVersion: 'v1',
  plural: 'configmaps',
  optional: false,
  // A role that names this one ConfigMap allows to list and watch by it.
  fieldSelector: `metadata.name=${rootConfigMap}`,
  keep: (object) => {
    const { namespace, version } = objectName(object);
    return {
      key: namespace,
      version,
      roots: textOf(field(field(object, 'data'), rootKey)),
      isOurs: field(field(field(object, 'metadata'), 'labels'), managedBy) === ownLabels[managedBy],
    };
  },
};
