/** A response's fields on their way to the caller: those of this hop go, `server` is written as configured. One walk. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { type HeaderName, headerName, headerRole, wellKnown } from '../codec/header-name.ts';
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { isHopByHop, removeListed } from './hop-by-hop.ts';

const server: HeaderName = headerName('server');

export class ResponseFields {
  readonly #serverName: string;
  readonly #transformation: HttpConnectionManagerConfig['serverHeaderTransformation'];
  /** `grpc-status` of the fields walked last; undefined: none. Read it at once. */
  grpcStatus: string | undefined = undefined;

  constructor(config: HttpConnectionManagerConfig) {
    this.#serverName = config.serverName;
    this.#transformation = config.serverHeaderTransformation;
  }

  /** `upgrade`: a 101, whose `upgrade` stays. */
  clean(fields: HeaderFields, upgrade: boolean): void {
    const { names, values } = fields;
    const { length } = names;
    const overwrite = this.#transformation === 'overwrite';
    let connection = '';
    let hasServer = false;
    this.grpcStatus = undefined;
    let to = 0;
    for (let from = 0; from < length; from++) {
      const name = names[from]!;
      if (name.known !== 0) {
        if (name.known === wellKnown.connection) {
          connection = connection === '' ? values[from]! : `${connection},${values[from]!}`;
          continue;
        }
        if (isHopByHop(name.known, upgrade)) continue;
      } else if (name.role === headerRole.server) {
        if (overwrite && hasServer) continue;
        hasServer = true;
        if (overwrite) values[from] = this.#serverName;
      } else if (name.role === headerRole.grpcStatus) this.grpcStatus = values[from]!;
      if (to !== from) {
        names[to] = name;
        values[to] = values[from]!;
      }
      to++;
    }
    if (to !== length) {
      names.length = to;
      values.length = to;
    }
    if (connection !== '') removeListed(fields, connection);
    if (!hasServer && this.#transformation !== 'pass_through') fields.append(server, this.#serverName);
  }

  /** 1xx and trailers: only what is of this hop goes. */
  cleanHopByHop(fields: HeaderFields): void {
    const { names, values } = fields;
    this.grpcStatus = undefined;
    let to = 0;
    for (let from = 0; from < names.length; from++) {
      const name = names[from]!;
      if (name.known !== 0 && (name.known === wellKnown.connection || isHopByHop(name.known, false))) continue;
      if (name.role === headerRole.grpcStatus) this.grpcStatus = values[from]!;
      if (to !== from) {
        names[to] = name;
        values[to] = values[from]!;
      }
      to++;
    }
    names.length = to;
    values.length = to;
  }
}
