/** Adding and removing header fields as routes, virtual hosts and clusters say: compiled once, applied per request. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { type HeaderName, headerName } from '../codec/header-name.ts';
import type { HeaderAdd, HeaderMutations } from '../config/route-config.ts';

interface CompiledAdd {
  readonly name: HeaderName;
  readonly value: string;
  readonly action: HeaderAdd['action'];
}

export class HeaderMutation {
  readonly #remove: readonly string[];
  readonly #add: readonly CompiledAdd[];

  constructor(config: HeaderMutations) {
    this.#remove = config.remove;
    this.#add = config.add
      .filter((add) => add.value !== '' || add.keepEmpty)
      .map((add) => ({ name: headerName(add.name), value: add.value.replaceAll('%%', '%'), action: add.action }));
  }

  /** Null when there is nothing to do, so that the common path tests one reference. */
  static compile(config: HeaderMutations): HeaderMutation | null {
    return config.add.length === 0 && config.remove.length === 0 ? null : new HeaderMutation(config);
  }

  /** A field that is there would be removed, or have another value. */
  takesOff(fields: HeaderFields): boolean {
    return (
      this.#remove.some((name) => fields.has(name)) ||
      this.#add.some(
        ({ name, action }) => (action === 'overwrite' || action === 'overwrite-if-exists') && fields.has(name.lower),
      )
    );
  }

  apply(fields: HeaderFields): void {
    for (const name of this.#remove) fields.delete(name);
    for (const { name, value, action } of this.#add) changeField(fields, name, value, action);
  }
}

/** One field, by Envoy's append_action. */
export function changeField(fields: HeaderFields, name: HeaderName, value: string, action: HeaderAdd['action']): void {
  switch (action) {
    case 'append':
      fields.append(name, value);
      break;
    case 'overwrite':
      fields.set(name, value);
      break;
    case 'add-if-absent':
      if (!fields.has(name.lower)) fields.append(name, value);
      break;
    case 'overwrite-if-exists':
      if (fields.has(name.lower)) fields.set(name, value);
      break;
  }
}
