/** What the admin port tells of live traffic, under /api/v1: edges, routes, requests, what happened to one, taps; and circuit breakers that an operator holds. */
import { toJson } from '@bufbuild/protobuf';
import { RequestRecordSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { ActionFault } from '../admin/admin-actions.ts';
import { listBreakers } from './breaker-list.ts';
import { explain, type PlaceOf } from './explain/explain.ts';
import type { LiveFigures } from './live-figures.ts';
import { MeshTap, type TapReader } from './mesh-tap.ts';
import { nameDoubt } from './name-doubt.ts';
import type { ObserveHub } from './observe-hub.ts';
import {
  checkNames,
  type FullName,
  ParameterFault,
  readDurationMs,
  readFilter,
  readSwitch,
  readWhole,
} from './query-parameters.ts';
import { findRequest, listRequests } from './request-search.ts';

export interface ObserveEndpointsInit {
  readonly hub: ObserveHub;
  readonly figures: LiveFigures;
  readonly fullName: FullName;
  /** `namespace/name` of every service that is configured. */
  readonly services: () => Iterable<string>;
  readonly placeOf: PlaceOf;
}

export interface LiveAnswer {
  readonly status: number;
  readonly body: unknown;
}

const mostTaps = 8;
const breakerMs = 2_000;

export class ObserveEndpoints {
  readonly #init: ObserveEndpointsInit;
  #taps = 0;

  constructor(init: ObserveEndpointsInit) {
    this.#init = init;
  }

  /** Null: there is no such place. `path`: behind /api/v1/. Never rejects. */
  async get(path: string, query: URLSearchParams): Promise<LiveAnswer | null> {
    try {
      switch (path) {
        case 'edges':
          return { status: 200, body: this.#edges(query) };
        case 'routes-live':
          return { status: 200, body: this.#routes(query) };
        case 'edges/history':
          return { status: 200, body: this.#history(query) };
        case 'breakers':
          checkNames(query, []);
          return { status: 200, body: await listBreakers(this.#init.hub) };
        case 'requests':
          return { status: 200, body: await this.#requests(query) };
      }
      if (path.startsWith('requests/')) return await this.#request(decodeURIComponent(path.slice('requests/'.length)));
      return null;
    } catch (error) {
      const { message } = error as Error;
      return error instanceof ParameterFault || error instanceof URIError
        ? { status: 400, body: { error: message } }
        : { status: 500, body: { error: `the control plane failed: ${message}` } };
    }
  }

  /** Begins a tap; an answer: it is refused. `begin` is called when it is not, before the first line. */
  tap(query: URLSearchParams, begin: () => TapReader): LiveAnswer | MeshTap {
    try {
      const { hub, fullName } = this.#init;
      const filter = readFilter(query, ['limit', 'headers', 'bodyBytes'], fullName);
      const wish = {
        filter,
        notes: this.#doubts(filter.source ?? '', filter.destination ?? ''),
        limit: readWhole(query, 'limit', 1_000, 1, 100_000),
        headers: readSwitch(query, 'headers'),
        bodyBytes: readWhole(query, 'bodyBytes', 0, 0, 65_536),
      };
      if (this.#taps >= mostTaps)
        return { status: 429, body: { error: `${mostTaps} taps run already: no more at a time` } };
      this.#taps++;
      return new MeshTap(hub, wish, begin(), () => this.#taps--);
    } catch (error) {
      if (!(error instanceof ParameterFault)) throw error;
      return { status: 400, body: { error: error.message } };
    }
  }

  /** Why nothing of these is likely to be seen; '': any. */
  #doubts(source: string, destination: string): string[] {
    const { hub, services } = this.#init;
    if (hub.proxies.size === 0) return ['no sidecar is connected: outrigger status shows those that are'];
    const connected = new Set([...hub.proxies].map(({ service }) => service));
    return [source, destination]
      .map((name) => nameDoubt(name, { services: services(), connected }))
      .filter((doubt) => doubt !== '');
  }

  /** By path, as the admin port takes them. */
  readonly actions = {
    '/api/v1/breakers': (body: Readonly<Record<string, unknown>>): Promise<unknown> => this.#holdBreaker(body),
  };

  #edges(query: URLSearchParams): unknown {
    const { rows, ...rest } = this.#rows('edge', query);
    return { at: rest.at, windowSeconds: rest.windowSeconds, edges: rows, ...told(rest) };
  }

  #routes(query: URLSearchParams): unknown {
    const { rows, ...rest } = this.#rows('route', query);
    return { at: rest.at, windowSeconds: rest.windowSeconds, routes: rows, ...told(rest) };
  }

  #rows(by: 'edge' | 'route', query: URLSearchParams): Found {
    const { figures, fullName } = this.#init;
    checkNames(query, ['window', 'source', 'destination']);
    const windowMs = readDurationMs('window', query.get('window') ?? '10s');
    if (windowMs < 1_000 || windowMs > 60_000) throw new ParameterFault('window: is from 1s to 60s');
    const source = fullName(query.get('source') ?? '');
    const destination = fullName(query.get('destination') ?? '');
    const found = figures.rows(by, windowMs);
    const rows = found.rows.filter(
      (row) => (source === '' || row.source === source) && (destination === '' || row.destination === destination),
    );
    return { ...found, rows, doubts: rows.length > 0 ? [] : this.#doubts(source, destination) };
  }

  #history(query: URLSearchParams): unknown {
    const { figures, fullName } = this.#init;
    checkNames(query, ['source', 'destination', 'seconds']);
    const source = fullName(query.get('source') ?? '');
    const destination = fullName(query.get('destination') ?? '');
    if (source === '' && destination === '')
      throw new ParameterFault(
        'source, destination: name one of them at least; of one alone it is the sum over the others',
      );
    const seconds = readWhole(query, 'seconds', 900, 5, 900);
    return { stepSeconds: 5, points: figures.history(source, destination, seconds) };
  }

  async #requests(query: URLSearchParams): Promise<unknown> {
    const { hub, fullName } = this.#init;
    const filter = readFilter(query, ['limit'], fullName);
    const { records, silent, faults } = await listRequests(hub, filter, readWhole(query, 'limit', 100, 1, 1_000));
    // Every sidecar judges a filter alike.
    if (faults.length > 0 && records.length === 0) throw new ParameterFault(faults.join('; '));
    return { requests: records.map((record) => toJson(RequestRecordSchema, record)), silent };
  }

  async #request(id: string): Promise<LiveAnswer> {
    const { hub, placeOf } = this.#init;
    if (!/^[\x21-\x7e]{1,256}$/.test(id)) throw new ParameterFault('this is neither a request id nor a trace id');
    const { records, silent } = await findRequest(hub, id);
    if (records.length === 0)
      return { status: 404, body: { error: unknownRequest(id, hub.proxies.size, silent), silent } };
    const { requestId, hops, explanation } = explain(records, placeOf);
    return {
      status: 200,
      body: {
        requestId,
        hops: hops.map(({ depth, record }) => ({ depth, record: toJson(RequestRecordSchema, record) })),
        explanation,
        silent,
      },
    };
  }

  /** At the proxy of a node id, or at all of a service. */
  async #holdBreaker({ proxy, breaker, state }: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { hub } = this.#init;
    if (typeof proxy !== 'string' || typeof breaker !== 'string' || typeof state !== 'string')
      throw new ActionFault(
        'proxy, breaker and state: three texts; proxy is a node id, or NAMESPACE/SERVICE for all of a service',
      );
    const found = [...hub.proxies].filter(({ nodeId, service }) => nodeId === proxy || service === proxy);
    if (found.length === 0)
      throw new ActionFault(`proxy: none that attends is called ${JSON.stringify(proxy.slice(0, 200))}`);
    const query = { case: 'forceBreaker', value: { breaker, state } } as const;
    const { answers, silent, faults } = await hub.gather(query, breakerMs, found);
    if (faults.length > 0 && faults.length === answers.length) throw new ActionFault(faults.join('; '));
    return { changed: answers.filter(({ fault }) => fault === '').length, faults, silent };
  }
}

/** `doubts`: why there are no rows, where there are none. */
type Found = ReturnType<LiveFigures['rows']> & { readonly doubts: readonly string[] };

function told({ proxies, silent, doubts }: Omit<Found, 'rows'>) {
  return { proxies, silent, doubts };
}

function unknownRequest(id: string, proxies: number, silent: readonly string[]): string {
  if (proxies === 0) return `no sidecar attends this control plane, so nobody knows ${id}`;
  const quiet = silent.length === 0 ? '' : `; ${silent.length} of them did not answer`;
  return `none of ${proxies} sidecars knows ${id}${quiet}: they keep failed and slow requests for a while, and of the rest a sample`;
}
