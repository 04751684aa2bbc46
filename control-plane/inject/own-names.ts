/** What is ours in a pod: names, ports and places that its owner must not take, and by which the sidecar is found again. */

export const annotationPrefix = 'outrigger.dev/';
/** What was done to a pod, and what has to be known to undo it. */
export const stateAnnotation = `${annotationPrefix}injected`;

/** The service that a pod is an instance of: what its sidecar says it is, for whoever reads pods. */
export const serviceLabel = `${annotationPrefix}service`;

export const sidecarContainer = 'outrigger-sidecar';
export const initContainer = 'outrigger-init';
export const tokenVolume = 'outrigger-token';
export const rootVolume = 'outrigger-root';
export const ownContainers: readonly string[] = [sidecarContainer, initContainer];
export const ownVolumes: readonly string[] = [tokenVolume, rootVolume];

/** ConfigMap of each namespace with the mesh's roots, and the key in it. */
export const rootConfigMap = 'outrigger-root';
export const rootKey = 'root.pem';
/** Secret of a namespace with a join token, where Kubernetes' tokens are not to be had. */
export const joinTokenSecret = 'outrigger-join-token';
export const tokenAudience = 'outrigger';
export const tokenFolder = '/var/run/secrets/outrigger';
export const rootFolder = '/etc/outrigger/root';

/** User and group of the sidecar: its own traffic is told by them. */
export const proxyId = 1337;

export const healthPort = 15_020;
export const dnsPort = 15_053;
/** By port: what the sidecar has there. */
export const ownPorts: ReadonlyMap<number, string> = new Map([
  [15_000, 'admin'],
  [15_001, 'outbound'],
  [15_006, 'inbound'],
  [healthPort, 'health and metrics'],
  [dnsPort, 'DNS'],
]);

/** Namespaces of Kubernetes itself and of the control plane. */
export const ownNamespaces: readonly string[] = ['kube-system', 'kube-public', 'kube-node-lease', 'outrigger-system'];

/** On the health port: the original probe of an application's container is made. */
export const appHealthPath = '/app-health/';
/** On the health port: answers when the application may end. */
export const appDrainPath = '/app-drain';
export const appProbesVariable = 'OUTRIGGER_APP_PROBES';

/** What the image's entry point runs (deploy/image/Containerfile): there is no shell in it, nor a PATH to find this by. */
export const imageProgram: readonly string[] = ['/outrigger/node', '/outrigger/dist/container.js'];
