/** Tokens of the form of Kubernetes' projected service account tokens; their third part is no signature, but a word for the test's API server. Test data only. */

export function kubernetesToken(word: string, claims: Readonly<Record<string, unknown>> = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part({ aud: ['outrigger'], exp: 4_000_000_000, ...claims })}.${word}`;
}
