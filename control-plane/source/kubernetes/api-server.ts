/** Where a Kubernetes API server is, and what proves to it who we are. How it is found out: kubeconfig.ts and in-cluster.ts. */

/** The control plane's namespace where nothing says another: the chart's, and the roles' in deploy/. */
export const usualNamespace = 'outrigger-system';

export interface ApiServer {
  /** `https://HOST[:PORT][/PATH]`, without a slash at the end. */
  readonly url: string;
  /** Name that its certificate has to have; null: the URL's. */
  readonly serverName: string | null;
  /** Its certificate is not looked at. */
  readonly insecure: boolean;
  /** PEM of who signs its certificate, asked for each request, as mounted files change; null: the system's authorities. */
  readonly ca: () => string | null;
  /** Asked for each request: mounted tokens last an hour and are renewed in their file. */
  readonly credentials: () => ApiCredentials;
  /** Where the control plane keeps what is its own (the Lease). */
  readonly namespace: string;
  /** This control plane is a Pod of that namespace. */
  readonly inPod: boolean;
}

export interface ApiCredentials {
  readonly token: string | null;
  /** PEM, both or none. */
  readonly certificate: string | null;
  readonly key: string | null;
}
