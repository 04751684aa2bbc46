/** Which secrets a listener or a cluster refers to: what they wait for, and what is asked for or watched. */
import type { ClusterConfig } from './cluster-config.ts';
import type { Configuration } from './configuration.ts';
import type { ListenerConfig } from './listener-config.ts';
import type { SecretReference, TlsCommonConfig } from './tls-config.ts';

export function listenerSecrets({ filterChains, defaultFilterChain }: ListenerConfig): SecretReference[] {
  const chains = defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain];
  return chains.flatMap(({ tls }) => secretsOf(tls));
}

export function clusterSecrets({ tls, transportMatches = [] }: ClusterConfig): SecretReference[] {
  return [tls, ...transportMatches.map((match) => match.tls)].flatMap(secretsOf);
}

export function configurationSecrets(configuration: Pick<Configuration, 'listeners' | 'clusters'>): SecretReference[] {
  return [
    ...[...configuration.listeners.values()].flatMap(({ value }) => listenerSecrets(value)),
    ...[...configuration.clusters.values()].flatMap(({ value }) => clusterSecrets(value)),
  ];
}

function secretsOf(tls: TlsCommonConfig | null): SecretReference[] {
  const { certificateSecret = null, trustSecret = null } = tls ?? {};
  return [certificateSecret, trustSecret].filter((reference) => reference !== null);
}
