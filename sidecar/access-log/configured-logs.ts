/** Every access log of a configuration. */
import type { AccessLogConfig, LogServiceConfig } from '../config/access-log-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';

export function configuredLogs(listeners: Iterable<ListenerConfig>): readonly AccessLogConfig[] {
  const logs: AccessLogConfig[] = [];
  for (const { filterChains, defaultFilterChain, accessLogs = [] } of listeners) {
    for (const chain of [...filterChains, defaultFilterChain])
      logs.push(...((chain?.httpConnectionManager ?? chain?.tcpProxy)?.accessLogs ?? []));
    logs.push(...accessLogs);
  }
  return logs;
}

export function configuredLogServices(listeners: Iterable<ListenerConfig>): readonly LogServiceConfig[] {
  return configuredLogs(listeners).flatMap(({ sink }) => (sink.kind === 'als' || sink.kind === 'otlp' ? [sink] : []));
}
