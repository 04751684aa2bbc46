/** What a check across resources finds: fine by itself, but likely not meant. */
import type { Place } from '../config-kind/resource.ts';

export interface ReferenceWarning {
  readonly resource: string;
  readonly place: Place;
  readonly path: string;
  readonly message: string;
}
