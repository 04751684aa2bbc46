/** What is kept of an EndpointSlice: of each endpoint that may get requests its address, Pod, zone and condition. */
import { isIP } from 'node:net';
import { field, listOf, objectName, textOf, textsOf } from './object-fields.ts';
import type { Kept } from './watched-kind.ts';

export interface KeptEndpointSlice extends Kept {
  /** `namespace/name` of the Service. */
  readonly service: string;
  readonly family: 'IPv4' | 'IPv6';
  /** TCP ports, as the Service names them. */
  readonly ports: ReadonlyArray<{ readonly name: string; readonly port: number }>;
  readonly endpoints: readonly SliceEndpoint[];
}

export interface SliceEndpoint {
  readonly address: string;
  /** `ready`: gets requests. `draining`: its Pod ends; it finishes what it has. `unready`: it is there, and gets nothing. */
  readonly condition: 'ready' | 'draining' | 'unready';
  /** '' : not known. */
  readonly zone: string;
  /** '' : the endpoint is no Pod. */
  readonly pod: string;
  readonly podUid: string;
}

const serviceNameLabel = 'kubernetes.io/service-name';

/** Null: of no Service, or of host names, which Kubernetes has given up. */
export function keepEndpointSlice(object: unknown): KeptEndpointSlice | null {
  const { key, version, namespace } = objectName(object);
  const service = textsOf(field(field(object, 'metadata'), 'labels'))[serviceNameLabel] ?? '';
  const family = field(object, 'addressType');
  if (service === '' || (family !== 'IPv4' && family !== 'IPv6')) return null;
  const ports = listOf(field(object, 'ports')).flatMap((each) => {
    const port = field(each, 'port');
    const isTcp = (field(each, 'protocol') ?? 'TCP') === 'TCP';
    return isTcp && typeof port === 'number' ? [{ name: textOf(field(each, 'name')), port }] : [];
  });
  return {
    key,
    version,
    service: `${namespace}/${service}`,
    family,
    ports,
    endpoints: listOf(field(object, 'endpoints')).flatMap((each) => {
      // They all lead to the same; Kubernetes itself uses the first.
      const address = textOf(listOf(field(each, 'addresses'))[0]);
      if (isIP(address) === 0) return [];
      const target = field(each, 'targetRef');
      const isPod = field(target, 'kind') === 'Pod';
      return [
        {
          address,
          condition: conditionOf(field(each, 'conditions')),
          zone: zoneOf(each),
          pod: isPod ? textOf(field(target, 'name')) : '',
          podUid: isPod ? textOf(field(target, 'uid')) : '',
        },
      ];
    }),
  };
}

/** What is not said is true of `ready` and `serving`, and false of `terminating`. */
function conditionOf(conditions: unknown): SliceEndpoint['condition'] {
  const ready = field(conditions, 'ready') ?? true;
  if (field(conditions, 'terminating') === true)
    return (field(conditions, 'serving') ?? ready) === true ? 'draining' : 'unready';
  return ready === true ? 'ready' : 'unready';
}

/** A hint for one zone goes before the zone where it runs: it is Kubernetes' word on who shall call it. */
function zoneOf(endpoint: unknown): string {
  const hints = listOf(field(field(endpoint, 'hints'), 'forZones'));
  const hinted = hints.length === 1 ? textOf(field(hints[0], 'name')) : '';
  return hinted === '' ? textOf(field(endpoint, 'zone')) : hinted;
}
