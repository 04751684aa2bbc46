/**
 * Every knob of injection: as the annotation `outrigger.dev/<knob>` of a pod, or for all of them by `--set <knob>=<value>`; the annotation wins. The table here is the documentation too (print-knobs.ts).
 */
import { closestWord } from '../config-kind/closest-word.ts';
import { firstFaults, maxFaults } from './first-faults.ts';
import { isStateAnnotation } from './injected-state.ts';
import { annotationPrefix } from './own-names.ts';

/** What is wrong with a value, without its name. */
class KnobFault extends Error {}

interface Knob<Value> {
  /** How a value is written. */
  readonly form: string;
  readonly byDefault: string;
  readonly says: string;
  /** Throws KnobFault. */
  readonly read: (text: string) => Value;
}

function knob<Value>(form: string, byDefault: string, says: string, read: (text: string) => Value): Knob<Value> {
  return { form, byDefault, says, read };
}

function oneOf<const Words extends readonly string[]>(...words: Words): (text: string) => Words[number] {
  return (text) => {
    if (words.includes(text)) return text;
    const near = closestWord(text, words);
    throw new KnobFault(
      `is not one of ${words.join(', ')}${near === null ? '' : `; did you mean ${JSON.stringify(near)}?`}`,
    );
  };
}

const truth = (text: string): boolean => oneOf('true', 'false')(text) === 'true';

function matching(shape: RegExp, fault: string): (text: string) => string {
  return (text) => {
    if (!shape.test(text)) throw new KnobFault(fault);
    return text;
  };
}

const maxItems = 64;

function list<Item>(read: (text: string) => Item): (text: string) => readonly Item[] {
  return (text) => {
    if (text === '') return [];
    const parts = text.split(',').map((part) => part.trim());
    if (parts.length > maxItems) throw new KnobFault(`has more than ${maxItems} entries`);
    return [...new Set(parts.map(read))];
  };
}

function port(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value < 1 || value > 65_535)
    throw new KnobFault(`has ${JSON.stringify(text)}, which is not a port from 1 to 65535; write ports as 8080,9090`);
  return value;
}

/** `8080`, or `8000-8100`. */
function portOrRange(text: string): string {
  const [start = '', end, ...more] = text.split('-');
  if (end === undefined) return String(port(text));
  if (more.length > 0 || port(start) > port(end))
    throw new KnobFault(`has ${JSON.stringify(text)}, which is not a range of ports; write it as 8000-8100`);
  return text;
}

const octet = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const ipv4Range = new RegExp(`^${octet}(?:\\.${octet}){3}(?:/(?:3[0-2]|[12]?\\d))?$`);
const ipv6Range = /^(?=.*:)[0-9a-f:]{2,39}(?:\/(?:12[0-8]|1[01]\d|[1-9]?\d))?$/i;

function range(text: string): string {
  if (!ipv4Range.test(text) && !ipv6Range.test(text))
    throw new KnobFault(
      `has ${JSON.stringify(text)}, which is not an address range; write ranges as 10.0.0.0/8,fd00::/8`,
    );
  return text;
}

function whole(from: number, to: number): (text: string) => number {
  return (text) => {
    if (!/^\d{1,6}$/.test(text) || Number(text) < from || Number(text) > to)
      throw new KnobFault(`is not a whole number from ${from} to ${to}`);
    return Number(text);
  };
}

/** Kubernetes' form, cut to what makes sense of a container; '' takes the field away. */
const quantity = matching(
  /^(?:|[0-9]{1,12}(?:\.[0-9]{1,3})?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?)$/,
  'is not a quantity; write it as 100m, 0.5, 128Mi or 1Gi',
);
const label = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const hostPort = matching(
  /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][-A-Za-z0-9.]{0,252}):\d{1,5}$/,
  'is not HOST:PORT; write it as outrigger-control-plane.outrigger-system.svc:15012',
);

export const knobs = {
  inject: knob(
    '`enabled`, `disabled`',
    'enabled',
    'Whether the pod gets a sidecar. As a label too, which the webhook’s selectors see',
    oneOf('enabled', 'disabled'),
  ),
  service: knob(
    'name',
    '',
    'The service that the pod is an instance of. Default: its label `outrigger.dev/service`, `app.kubernetes.io/name` or `app`, or the name of its workload',
    matching(new RegExp(`^(?:${label})?$`), 'is not a name of a service: 1 to 63 lower-case letters, digits and "-"'),
  ),
  'app-ports': knob(
    'ports',
    '',
    'Where the application listens. Default: the TCP `containerPort`s of its containers',
    list(port),
  ),
  interception: knob(
    '`redirect`, `tproxy`, `cni`, `none`',
    'redirect',
    'How traffic comes to the sidecar: rules of this pod by REDIRECT; by TPROXY, which keeps the caller’s address; rules that a CNI plugin has made, which are only verified; not at all',
    oneOf('redirect', 'tproxy', 'cni', 'none'),
  ),
  'native-sidecar': knob(
    '`true`, `false`',
    'true',
    'A native sidecar (an init container with `restartPolicy: Always`, Kubernetes from 1.29 on), or a container beside the others',
    truth,
  ),
  'hold-application': knob(
    '`true`, `false`',
    'true',
    'The application’s containers start when the sidecar is ready',
    truth,
  ),
  'include-inbound-ports': knob(
    'ports and ranges',
    '',
    'Only these ports of the pod are intercepted. Default: all',
    list(portOrRange),
  ),
  'exclude-inbound-ports': knob('ports and ranges', '', 'These ports of the pod are left alone', list(portOrRange)),
  'exclude-outbound-ports': knob('ports and ranges', '', 'Calls to these ports are left alone', list(portOrRange)),
  'include-outbound-ranges': knob(
    'ranges',
    '',
    'Only calls to these addresses are intercepted. Default: all',
    list(range),
  ),
  'exclude-outbound-ranges': knob('ranges', '', 'Calls to these addresses are left alone', list(range)),
  'opaque-ports': knob(
    'ports and ranges',
    '',
    'Nothing is looked at on these ports of the pod: they are plain TCP',
    list(portOrRange),
  ),
  dns: knob(
    '`enabled`, `disabled`',
    'disabled',
    'The sidecar answers DNS for names of the mesh (port 15053)',
    oneOf('enabled', 'disabled'),
  ),
  egress: knob(
    '`allow`, `registry-only`',
    'allow',
    'Calls to what no service answers to; may only tighten what the control plane says',
    oneOf('allow', 'registry-only'),
  ),
  probes: knob(
    '`rewrite`, `keep`',
    'rewrite',
    'Whether HTTP, TCP and gRPC probes go through the sidecar’s health port',
    oneOf('rewrite', 'keep'),
  ),
  prometheus: knob(
    '`true`, `false`',
    'true',
    'Annotations `prometheus.io/*` for the sidecar’s metrics, where the pod has none of its own',
    truth,
  ),
  'drain-time': knob('seconds', '45', 'How long requests in hand may take when the pod ends', whole(0, 3_600)),
  'cpu-request': knob('quantity', '50m', 'Of the sidecar; empty for none', quantity),
  'cpu-limit': knob('quantity', '', 'Of the sidecar; none by default, as it would be throttled', quantity),
  'memory-request': knob('quantity', '128Mi', 'Of the sidecar; empty for none', quantity),
  'memory-limit': knob('quantity', '512Mi', 'Of the sidecar; empty for none', quantity),
  'log-level': knob(
    '`trace`, `debug`, `info`, `warn`, `error`, `off`',
    'info',
    'The sidecar’s',
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'off'),
  ),
  image: knob(
    'image',
    'outrigger:0.1.0',
    'Of the sidecar and of the init container, as `deploy/image/Containerfile` makes it',
    matching(/^[A-Za-z0-9][-A-Za-z0-9._/:@]{0,254}$/, 'is not an image; write it as registry.example/outrigger:0.1.0'),
  ),
  'image-pull-policy': knob(
    '`Always`, `IfNotPresent`, `Never`',
    'IfNotPresent',
    'Of that image',
    oneOf('Always', 'IfNotPresent', 'Never'),
  ),
  'control-plane': knob(
    'HOST:PORT',
    'outrigger-control-plane.outrigger-system.svc:15012',
    'The control plane’s TLS door (without an identity: its plain one)',
    hostPort,
  ),
  'trust-domain': knob(
    'name',
    'cluster.local',
    'The mesh’s',
    matching(
      /^[a-z0-9](?:[-a-z0-9._]{0,253}[a-z0-9])?$/,
      'is not a trust domain: lower-case letters, digits, "-", "_" and "."',
    ),
  ),
  identity: knob(
    '`kubernetes`, `join-token`, `none`',
    'kubernetes',
    'What proves who the pod is: a token that Kubernetes projects, for the audience `outrigger`; the key `token` of the Secret `outrigger-join-token` (podman: of the ConfigMap `outrigger-join-token-SERVICE`); nothing',
    oneOf('kubernetes', 'join-token', 'none'),
  ),
  register: knob(
    '`true`, `false`',
    'false',
    'The sidecar registers the pod itself: for control planes that do not read from Kubernetes',
    truth,
  ),
  platform: knob(
    '`kubernetes`, `podman`',
    'kubernetes',
    'Who runs the pod. `podman kube play` has no native sidecars, projected tokens or downward API: the defaults are `native-sidecar: "false"`, `identity: join-token` and `register: "true"` then',
    oneOf('kubernetes', 'podman'),
  ),
} satisfies Readonly<Record<string, Knob<unknown>>>;

export type KnobName = keyof typeof knobs;
export type KnobValues = { readonly [Name in KnobName]: ReturnType<(typeof knobs)[Name]['read']> };

export const knobNames: readonly KnobName[] = Object.keys(knobs) as KnobName[];

/** Values for all pods, as text, in the place of the table's. */
export type MeshWide = Readonly<Partial<Record<KnobName, string>>>;

/** In the place of the table's defaults. */
const platformDefaults: Readonly<Record<string, MeshWide>> = {
  podman: { 'native-sidecar': 'false', identity: 'join-token', register: 'true' },
};

/** Knobs that a pod's author has no say in: what stands there for all pods holds. */
export type LockedKnobs = ReadonlySet<KnobName>;

/**
 * Locked where the cluster puts sidecars in, unless the operator says otherwise: what runs with rights that the author of a pod may not have (its init container is root with NET_ADMIN), whom it believes,
 * and who it is. Who writes files and injects them has those rights anyway.
 */
export const lockedByDefault: readonly KnobName[] = [
  'image',
  'image-pull-policy',
  'control-plane',
  'trust-domain',
  'identity',
  // Its defaults are of the others.
  'platform',
];

/** The values that hold for a pod; or the first faults, by annotation. */
export function readKnobs(
  annotations: Readonly<Record<string, string>>,
  meshWide: MeshWide,
  locked: LockedKnobs,
): { readonly values: KnobValues } | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  for (const name of Object.keys(annotations)) {
    // A word that is near is looked for by hand, each time.
    if (faults.length > maxFaults) return { faults: firstFaults(faults) };
    if (!name.startsWith(annotationPrefix) || isStateAnnotation(name)) continue;
    const fault = unknownKnob(name.slice(annotationPrefix.length));
    if (fault !== '') faults.push(`metadata.annotations[${quoted(name)}]: ${fault}`);
  }
  const said = (name: KnobName): string | undefined => {
    const full = annotationPrefix + name;
    return Object.hasOwn(annotations, full) ? annotations[full] : undefined;
  };
  const platform = said('platform') ?? meshWide.platform ?? '';
  const defaults = Object.hasOwn(platformDefaults, platform) ? platformDefaults[platform]! : {};
  const values: Record<string, unknown> = {};
  for (const name of knobNames) {
    const full = annotationPrefix + name;
    const given = said(name);
    const forAll = meshWide[name] ?? defaults[name] ?? knobs[name].byDefault;
    if (given !== undefined && given !== forAll && locked.has(name)) {
      faults.push(
        `metadata.annotations[${quoted(full)}]: is not a pod's to say here, as the operator has locked it (outrigger control-plane --inject-lock); take it out`,
      );
      continue;
    }
    try {
      values[name] = knobs[name].read(given ?? forAll);
    } catch (error) {
      if (!(error instanceof KnobFault)) throw error;
      faults.push(`metadata.annotations[${quoted(full)}]: ${quoted(given ?? '')} ${error.message}`);
    }
  }
  return faults.length > 0 ? { faults: firstFaults(faults) } : { values: values as KnobValues };
}

/** What is wrong with `knob=value`, for all pods; '' when it is good. */
export function meshWideFault(name: string, text: string): string {
  const unknown = unknownKnob(name);
  if (unknown !== '') return `${quoted(name)} ${unknown}`;
  try {
    knobs[name as KnobName].read(text);
    return '';
  } catch (error) {
    if (!(error instanceof KnobFault)) throw error;
    return `${name}: ${quoted(text)} ${error.message}`;
  }
}

/** What is wrong with the name of a knob; '' when there is one of it. */
export function unknownKnob(name: string): string {
  if (Object.hasOwn(knobs, name)) return '';
  const near = closestWord(name, knobNames);
  return `is not known${near === null ? '; docs/inject.md lists what is' : `; did you mean ${annotationPrefix}${near}?`}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
