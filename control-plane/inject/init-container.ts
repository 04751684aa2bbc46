/** The container that makes the rules of interception in the pod's network, or, where a CNI plugin has made them, only verifies that they work, for which it needs no right. It ends before anything else starts. */
import type { KnobValues } from './knobs.ts';
import { dnsPort, initContainer, proxyId } from './own-names.ts';
import type { Container } from './pod.ts';

/** Of nobody (as `nonroot` of distroless images). */
const applicationId = 65_532;

/** Null: nothing is intercepted. */
export function initContainerOf(knobs: KnobValues): Container | null {
  const { interception } = knobs;
  if (interception === 'none') return null;
  return {
    name: initContainer,
    image: knobs.image,
    imagePullPolicy: knobs['image-pull-policy'],
    args: interception === 'cni' ? verifyArguments(knobs) : installArguments(knobs, interception),
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
    securityContext: {
      ...(interception === 'cni'
        ? // Anybody but the sidecar, whose traffic passes by.
          { runAsUser: applicationId, runAsGroup: applicationId, runAsNonRoot: true }
        : // Rules are the network's administrator's.
          { runAsUser: 0, runAsGroup: 0, runAsNonRoot: false }),
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], ...(interception === 'cni' ? {} : { add: ['NET_ADMIN', 'NET_RAW'] }) },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  } as Container;
}

function installArguments(knobs: KnobValues, mode: 'redirect' | 'tproxy'): readonly string[] {
  return [
    ...['intercept', 'install'],
    ...flags([
      ['mode', mode],
      // With TPROXY the sidecar is root, as other containers may be: only its group tells its traffic.
      ['proxy-uid', mode === 'tproxy' ? 'none' : String(proxyId)],
      ['proxy-gid', String(proxyId)],
      ['include-inbound-ports', knobs['include-inbound-ports'].join(',')],
      ['exclude-inbound-ports', knobs['exclude-inbound-ports'].join(',')],
      ...outbound(knobs),
    ]),
  ];
}

/** What the rules are to do, for the addresses and ports by which they can be tried. */
function verifyArguments(knobs: KnobValues): readonly string[] {
  return ['intercept', 'verify', ...flags(outbound(knobs))];
}

function outbound(knobs: KnobValues): readonly Flag[] {
  return [
    ['exclude-outbound-ports', knobs['exclude-outbound-ports'].join(',')],
    ['include-outbound-ranges', knobs['include-outbound-ranges'].join(',')],
    ['exclude-outbound-ranges', knobs['exclude-outbound-ranges'].join(',')],
    ['dns-port', knobs.dns === 'enabled' ? String(dnsPort) : ''],
  ];
}

type Flag = readonly [flag: string, value: string];

function flags(words: readonly Flag[]): readonly string[] {
  return words.filter(([, value]) => value !== '').map(([flag, value]) => `--${flag}=${value}`);
}
