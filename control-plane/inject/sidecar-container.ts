/** The container that is put beside an application: its flags, identity, probes, rights and resources. */
import { type AppProbes, appProbesText } from './app-probes.ts';
import type { KnobValues } from './knobs.ts';
import {
  appProbesVariable,
  dnsPort,
  healthPort,
  imageProgram,
  proxyId,
  rootFolder,
  rootKey,
  rootVolume,
  sidecarContainer,
  tokenFolder,
  tokenVolume,
} from './own-names.ts';
import type { Container } from './pod.ts';

export interface SidecarOf {
  readonly knobs: KnobValues;
  readonly service: string;
  readonly appPorts: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  readonly probes: AppProbes;
  /** What the downward API would say, where there is none; null: there is. */
  readonly fields: PodFields | null;
}

/** By their names in the downward API's variables; '' : nobody knows before the pod runs. */
export type PodFields = Readonly<Record<DownwardName, string>>;

/** By the downward API: Kubernetes puts them into arguments as $(NAME). */
const downward = {
  POD_NAME: 'metadata.name',
  POD_NAMESPACE: 'metadata.namespace',
  SERVICE_ACCOUNT: 'spec.serviceAccountName',
  POD_IP: 'status.podIP',
} as const;
type DownwardName = keyof typeof downward;

export function sidecarContainerOf(sidecar: SidecarOf): Container {
  const { knobs, probes, fields } = sidecar;
  const native = knobs['native-sidecar'];
  const hold = knobs['hold-application'];
  const health = (path: string): unknown => ({ path: `/healthz/${path}`, port: healthPort });
  return {
    name: sidecarContainer,
    image: knobs.image,
    imagePullPolicy: knobs['image-pull-policy'],
    args: sidecarArguments(sidecar),
    ...(native ? { restartPolicy: 'Always' } : {}),
    // Podman would publish it on the machine, where one pod alone can have it.
    ...(fields === null ? { ports: [{ name: 'outrigger-http', containerPort: healthPort, protocol: 'TCP' }] } : {}),
    env: [
      ...(fields === null
        ? Object.entries(downward).map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } }))
        : []),
      ...(Object.keys(probes).length === 0 ? [] : [{ name: appProbesVariable, value: appProbesText(probes) }]),
    ],
    // Containers behind a native sidecar start when it has; ten minutes is what a control plane may take to come.
    ...(native && hold
      ? { startupProbe: { httpGet: health('ready'), periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 } }
      : {}),
    // Podman would look with curl, from within.
    ...(fields === null
      ? {
          livenessProbe: { httpGet: health('live'), periodSeconds: 10, timeoutSeconds: 3, failureThreshold: 4 },
          readinessProbe: { httpGet: health('ready'), periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 3 },
        }
      : {}),
    lifecycle: {
      // The kubelet starts the next container when this has ended.
      ...(!native && hold ? { postStart: { exec: { command: [...imageProgram, 'wait', '--timeout', '600s'] } } } : {}),
      preStop: { exec: { command: [...imageProgram, 'drain', '--timeout', `${knobs['drain-time'] + 5}s`] } },
    },
    resources: resources(knobs),
    securityContext: rights(knobs),
    volumeMounts:
      knobs.identity === 'none'
        ? []
        : [
            { name: tokenVolume, mountPath: tokenFolder, readOnly: true },
            { name: rootVolume, mountPath: rootFolder, readOnly: true },
          ],
  } as Container;
}

function sidecarArguments({ knobs, service, appPorts, labels, fields }: SidecarOf): readonly string[] {
  const { interception, identity } = knobs;
  const field = (name: DownwardName): string => (fields === null ? `$(${name})` : fields[name]);
  const words: Array<readonly [flag: string, value: string]> = [
    ['service', `${field('POD_NAMESPACE')}/${service}`],
    ['interception', interception === 'cni' ? 'redirect' : interception],
    ['app-port', appPorts.join(',')],
    ['node-id', `${field('POD_NAME')}.${field('POD_NAMESPACE')}`],
    ['address', field('POD_IP')],
    [identity === 'none' ? 'control-plane' : 'control-plane-tls', knobs['control-plane']],
    ['kubernetes-token-file', identity === 'kubernetes' ? `${tokenFolder}/token` : ''],
    ['join-token-file', identity === 'join-token' ? `${tokenFolder}/token` : ''],
    // A token of Kubernetes says itself whose it is.
    ['service-account', identity === 'join-token' ? field('SERVICE_ACCOUNT') : ''],
    ['trust-bundle', identity === 'none' ? '' : `${rootFolder}/${rootKey}`],
    ['trust-domain', identity === 'none' ? '' : knobs['trust-domain']],
    ['opaque-ports', knobs['opaque-ports'].join(',')],
    ['dns-listen', knobs.dns === 'enabled' && interception !== 'none' ? `127.0.0.1:${dnsPort}` : ''],
    ['egress', knobs.egress === 'allow' ? '' : knobs.egress],
    [
      'labels',
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    ],
    ['drain-time', String(knobs['drain-time'])],
    ['log-level', knobs['log-level']],
  ];
  return [
    'sidecar',
    ...words.filter(([, value]) => value !== '').map(([flag, value]) => `--${flag}=${value}`),
    ...(identity === 'none' ? ['--no-identity'] : []),
    ...(knobs.register ? [] : ['--no-register']),
  ];
}

function resources(knobs: KnobValues): unknown {
  const amounts = (kind: 'request' | 'limit'): unknown =>
    Object.fromEntries(
      (['cpu', 'memory'] as const)
        .map((what) => [what, knobs[`${what}-${kind}`]] as const)
        .filter(([, amount]) => amount !== ''),
    );
  return { requests: amounts('request'), limits: amounts('limit') };
}

/** To answer from its callers' addresses (TPROXY) takes a capability, which a user other than root does not get from Kubernetes; the group tells its traffic then. */
function rights({ interception }: KnobValues): unknown {
  const transparent = interception === 'tproxy';
  return {
    runAsUser: transparent ? 0 : proxyId,
    runAsGroup: proxyId,
    runAsNonRoot: !transparent,
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], ...(transparent ? { add: ['NET_ADMIN'] } : {}) },
    seccompProfile: { type: 'RuntimeDefault' },
  };
}
