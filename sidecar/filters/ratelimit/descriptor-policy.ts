/** Which RateLimitPolicy a description of a request is of: our control plane begins each with the entry `rule` = `namespace/policy#local-0` or `#global-0` (its model/limit-name.ts). Of other control planes' nothing is said. */
import type { Descriptor } from './request-descriptors.ts';

const named = /^([a-z0-9.-]{1,253}\/[a-z0-9.-]{1,253})#(?:local|global)-\d{1,9}$/;

/** `RateLimitPolicy shop/payments`; '' : it does not say. */
export function policyOfDescriptor(descriptor: Descriptor | undefined): string {
  const [key, value] = descriptor?.[0] ?? ['', ''];
  const found = key === 'rule' ? named.exec(value) : null;
  return found === null ? '' : `RateLimitPolicy ${found[1]}`;
}

/** Of several, each once, with commas. */
export function policiesOfDescriptors(descriptors: ReadonlyArray<Descriptor | undefined>): string {
  return [...new Set(descriptors.map(policyOfDescriptor))].filter((policy) => policy !== '').join(', ');
}
