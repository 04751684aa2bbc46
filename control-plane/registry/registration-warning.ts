/** What a registration that is fine in itself comes to nothing by: told to who registered, as it is they who mistyped a name. */
import { closestWord } from '../config-kind/closest-word.ts';
import type { Model, ServiceModel } from '../model/model.ts';

/** The fields of an instance that are looked at. */
export interface WarnedInstance {
  readonly namespace: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** It is found at the ports of Services. */
  readonly byTargetPort?: boolean;
}

/** '' when somebody is sent there. `model`: with the instance in it. */
export function registrationWarning({ services }: Pick<Model, 'services'>, instance: WarnedInstance): string {
  const key = `${instance.namespace}/${instance.service}`;
  const own = services.get(key);
  if (own !== undefined && leadsTo(own, instance)) return '';
  // A selector may pick it, whatever it registered as.
  for (const service of services.values())
    if (service.namespace === instance.namespace && leadsTo(service, instance)) return '';
  if (own !== undefined)
    return `service ${key} does not pick this instance (its selector, or its ports): nobody is sent there`;
  const near = closestWord(key, [...services.keys()]);
  return near === null
    ? `there is no service ${key}: nobody is sent to this instance`
    : `there is no service ${key}; did you mean ${near}? Nobody is sent to this instance`;
}

function leadsTo({ ports }: ServiceModel, { address, port, byTargetPort = false }: WarnedInstance): boolean {
  return ports.some(({ endpoints }) =>
    endpoints.endpoints.some((endpoint) => (byTargetPort || endpoint.port === port) && endpoint.address === address),
  );
}
