/**
 * A request that may share answers with others, as it came: before gates change it. Says whether they did, because what was taken off may be a credential, in whatever header or parameter, and what was put in may be who calls. Made only
 * where there are gates, and for routes whose fallback is the last good answer.
 */
import type { HeaderFields } from '../../codec/header-fields.ts';
import type { RequestHead } from '../../codec/message-head.ts';

export class RequestAsItCame {
  readonly #authority: string;
  readonly #path: string;
  readonly #fields: HeaderFields;

  constructor({ authority, path, fields }: RequestHead) {
    this.#authority = authority;
    this.#path = path;
    this.#fields = fields.clone();
  }

  /** Nothing of it was changed. */
  is({ authority, path, fields }: RequestHead): boolean {
    const { names, values } = this.#fields;
    if (authority !== this.#authority || path !== this.#path || fields.length !== names.length) return false;
    for (let i = 0; i < names.length; i++)
      if (fields.names[i]!.lower !== names[i]!.lower || fields.values[i] !== values[i]) return false;
    return true;
  }
}
