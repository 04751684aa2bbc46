/** Finds, in the configuration that a sidecar has taken, upstreams behind which there is no service: the control plane gave them a route that answers why. */
import { unknownUpstreamRoute } from '../control-plane/translate/resource-names.ts';

/** What is read of `/config_dump?resource=dynamic_route_configs`. */
interface RouteConfigsDump {
  readonly configs: ReadonlyArray<{
    readonly route_config: {
      readonly name: string;
      readonly virtual_hosts?: ReadonlyArray<{
        readonly routes?: ReadonlyArray<{
          readonly name?: string;
          readonly direct_response?: { readonly body?: { readonly inline_string?: string } };
        }>;
      }>;
    };
  }>;
}

/** The reasons, by name of the route configuration, which is that of the listener too. */
export function unknownUpstreams({ configs }: RouteConfigsDump): Record<string, string> {
  const problems: Record<string, string> = {};
  for (const { route_config } of configs) {
    const route = route_config.virtual_hosts?.[0]?.routes?.[0];
    if (route?.name === unknownUpstreamRoute)
      problems[route_config.name] = route.direct_response?.body?.inline_string ?? 'there is no such service';
  }
  return problems;
}
