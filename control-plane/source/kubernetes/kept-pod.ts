/** What is kept of a Pod: whose account it runs as, its labels, and whether a sidecar of ours is in it. Where it listens stands in EndpointSlices. */
import { field, listOf, objectName, textOf, textsOf } from './object-fields.ts';
import type { Kept } from './watched-kind.ts';

/** Of the container that injection adds, as an init container that restarts or as one beside the others. */
export const sidecarContainer = 'outrigger-sidecar';
/** Of the container that makes the rules. */
const initContainer = 'outrigger-init';
/** Where the sidecar listens when nothing else is said. */
const inboundPort = 15_006;
/** Annotation and label: by which name a Pod is in the mesh. */
const serviceKey = 'outrigger.dev/service';
/** Labels that say the same where ours does not, in this order; then the name of the workload. Injection goes by the same rule. */
const nameLabels = [serviceKey, 'app.kubernetes.io/name', 'app'];

export interface KeptPod extends Kept {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly account: string;
  readonly hasSidecar: boolean;
  /** No rules bring traffic to its sidecar (`--interception=none`): `appPort` is reached at the sidecar's own port, and every other one without it. Null: rules bring everything there, or nothing is said. */
  readonly namedSidecar: { readonly appPort: number; readonly listenPort: number } | null;
  /** Ports that rules leave alone: who calls them reaches the application without its sidecar. Null: none. */
  readonly pastSidecar: PastSidecar | null;
  /** What its proxy calls itself: its annotation or labels, or the Deployment, StatefulSet, Job … that it is of. */
  readonly workload: string;
}

export interface PastSidecar {
  /** Null: all that are not excluded pass the sidecar. */
  readonly included: readonly PortRange[] | null;
  readonly excluded: readonly PortRange[];
}

type PortRange = readonly [first: number, last: number];

/** Whether callers of the port meet the Pod's sidecar, which then shows its identity. */
export function meetsSidecar({ hasSidecar, namedSidecar, pastSidecar }: KeptPod, port: number): boolean {
  if (!hasSidecar) return false;
  if (namedSidecar !== null) return namedSidecar.appPort === port;
  if (pastSidecar === null) return true;
  const holds = (ranges: readonly PortRange[]): boolean =>
    ranges.some(([first, last]) => first <= port && port <= last);
  return (pastSidecar.included === null || holds(pastSidecar.included)) && !holds(pastSidecar.excluded);
}

export function keepPod(object: unknown): KeptPod {
  const { key, version, namespace, name } = objectName(object);
  const metadata = field(object, 'metadata');
  const spec = field(object, 'spec');
  const labels = textsOf(field(metadata, 'labels'));
  const containers: readonly unknown[] = [
    ...listOf(field(spec, 'containers')),
    ...listOf(field(spec, 'initContainers')),
  ];
  const sidecar = containers.find((container) => field(container, 'name') === sidecarContainer);
  return {
    key,
    version,
    namespace,
    name,
    uid: textOf(field(metadata, 'uid')),
    labels,
    account: textOf(field(spec, 'serviceAccountName')) || 'default',
    // One without an identity takes no mTLS.
    hasSidecar: sidecar !== undefined && !argumentsOf(sidecar).includes('--no-identity'),
    namedSidecar: namedSidecarOf(argumentsOf(sidecar)),
    pastSidecar: pastSidecarOf(argumentsOf(containers.find((container) => field(container, 'name') === initContainer))),
    workload:
      [textsOf(field(metadata, 'annotations'))[serviceKey], ...nameLabels.map((key) => labels[key])].find(
        (said) => said !== undefined && said !== '',
      ) ?? workloadOf(metadata, name, labels),
  };
}

function argumentsOf(container: unknown): readonly string[] {
  return listOf(field(container, 'args')).map(textOf);
}

/** As injection writes them. */
function said(args: readonly string[], flag: string): string | undefined {
  return args.find((each) => each.startsWith(`--${flag}=`))?.slice(flag.length + 3);
}

function pastSidecarOf(args: readonly string[]): PastSidecar | null {
  const included = said(args, 'include-inbound-ports') ?? '*';
  const excluded = said(args, 'exclude-inbound-ports') ?? '';
  if (included === '*' && excluded === '') return null;
  return { included: included === '*' ? null : portRanges(included), excluded: portRanges(excluded) };
}

/** `80,9000-9010`; what is no port names none. */
function portRanges(text: string): PortRange[] {
  return [...text.matchAll(/(\d+)(?:[-:](\d+))?/g)].map(([, first, last]) => [Number(first), Number(last ?? first)]);
}

function namedSidecarOf(args: readonly string[]): KeptPod['namedSidecar'] {
  const appPort = Number(said(args, 'app-port'));
  if (said(args, 'interception') !== 'none' || !Number.isInteger(appPort)) return null;
  const listenPort = Number(/:(\d+)$/.exec(said(args, 'inbound-listen') ?? '')?.[1] ?? inboundPort);
  return { appPort, listenPort };
}

/** A ReplicaSet of a Deployment is named after it, with the hash of its template; a Job of a CronJob with a time. */
function workloadOf(metadata: unknown, name: string, labels: Readonly<Record<string, string>>): string {
  const owner = listOf(field(metadata, 'ownerReferences')).find((each) => field(each, 'controller') === true);
  const ownerName = textOf(field(owner, 'name'));
  if (ownerName === '') return name;
  const hash = labels['pod-template-hash'];
  const kind = field(owner, 'kind');
  if (kind === 'ReplicaSet' && hash !== undefined && ownerName.endsWith(`-${hash}`))
    return ownerName.slice(0, -hash.length - 1);
  return kind === 'Job' ? ownerName.replace(/-\d{8,10}$/, '') : ownerName;
}
