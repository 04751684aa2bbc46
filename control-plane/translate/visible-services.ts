/** Which services a proxy is sent. All of them for now; on-demand discovery narrows it here, and nothing else has to know. */
import type { Model, ServiceModel } from '../model/model.ts';
import type { ProxyNode } from './proxy-node.ts';

/** In the model's order. The answer's identity stays as long as the services are the same. */
export function visibleServices(model: Model, _proxy: ProxyNode): ReadonlyMap<string, ServiceModel> {
  return model.services;
}
