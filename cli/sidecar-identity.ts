/**
 * Whether a sidecar of a service is to have an identity, and by what proof: from its flags, or from what the control plane of the same user left on this machine. Files are looked at here once, so that a
 * mistake is told at the start; the identity reads them again whenever it needs them. Waiting for a control plane that starts is in await-identity.ts.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { controlPlaneId } from '../certs/spiffe/control-plane-id.ts';
import { serviceAccountId, trustDomainFault } from '../certs/spiffe/spiffe-id.ts';
import { trustBundleFromPem } from '../certs/spiffe/trust-bundle.ts';
import type { IdentityConfig, IdentityProof } from '../sidecar/identity/identity-config.ts';
import { defaultDataDir } from './data-dir.ts';
import { type HostPort, isLoopback, parseHostPort, parseServiceName } from './host-port.ts';
import { controlPlaneCluster, firstContactCluster } from './service-bootstrap.ts';
import type { SidecarFlags } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

export type IdentityChoice =
  | {
      readonly kind: 'identity';
      readonly config: IdentityConfig;
      readonly controlPlaneTls: HostPort;
      /** Exactly this is the control plane. */
      readonly controlPlaneId: string;
    }
  /** `why`: for the log; '' when none was wanted. */
  | { readonly kind: 'none'; readonly why: string };

/** Which folder --data-dir is a copy of, where `run --intercept` keeps one for its sidecar. No flag's: nobody else sets it. */
export const shownDataDirVariable = 'OUTRIGGER_SHOWN_DATA_DIR';

const maxTokenBytes = 64 * 1024;
const maxBundleBytes = 1024 * 1024;
const defaultTlsPort = 15012;

/** Throws a UserError for flags that do not go together, and for files that flags name and that cannot be used. */
export function chooseIdentity(
  { values, noIdentity }: Pick<SidecarFlags, 'values' | 'noIdentity'>,
  environment: NodeJS.ProcessEnv,
): IdentityChoice {
  if (noIdentity) return { kind: 'none', why: '' };
  const { namespace, name } = parseServiceName('--service', values.service!);
  const trustDomain = values['trust-domain'] ?? 'cluster.local';
  const fault = trustDomainFault(trustDomain);
  if (fault !== '') throw new UserError(`--trust-domain: ${fault}`, 2);
  const controlPlaneTls = tlsDoor(values);
  const { token: local, bundle: localBundle, shown } = localFiles(values, environment);

  let proof = givenProof(values);
  let bundlePath = values['trust-bundle'];
  if (proof === null || bundlePath === undefined) checkDataDir(values['data-dir']);
  if (proof === null) {
    const why = isLoopback(controlPlaneTls.host)
      ? unreadable(local.read)
      : `${controlPlaneTls.host} is not this machine`;
    const noBundle =
      bundlePath === undefined && why === '' ? unreadable(() => readText(localBundle, maxBundleBytes)) : '';
    if (why === '' && noBundle === '') proof = local;
    else if (bundlePath !== undefined)
      throw new UserError(
        `--trust-bundle says whom to believe, but there is no proof of who this is: give --join-token-file or --kubernetes-token-file (${shown(why)})`,
        2,
      );
    else return { kind: 'none', why: shown(why === '' ? noBundle : why) };
  } else check(proof.read, '');
  bundlePath ??= localBundle;
  const path = bundlePath;
  const readTrustBundle = (): string => readText(path, maxBundleBytes);
  const hint = values['trust-bundle'] === undefined ? '; name another with --trust-bundle FILE' : '';
  check(() => trustBundleFromPem(trustDomain, readTrustBundle()), hint);
  const account = values['service-account'];
  const wantedId =
    // A Kubernetes token says itself whose it is.
    proof.kind === 'kubernetes-token' && account === undefined ? '' : idOf(trustDomain, namespace, account ?? name);
  return {
    kind: 'identity',
    controlPlaneTls,
    controlPlaneId: controlPlaneId(trustDomain).text,
    config: {
      trustDomain,
      wantedId,
      proof,
      readTrustBundle,
      clusterName: controlPlaneCluster,
      firstContactClusterName: firstContactCluster,
    },
  };
}

/**
 * What a control plane of this machine has still to write, where it is the proof: it takes its token away when it ends and writes another when it starts. Null when there is nothing to wait for, also where none
 * was ever started (no data directory). `authority`: there has been one, so that every sidecar of this machine is to have an identity.
 */
export function awaitedProof(
  { values, noIdentity }: Pick<SidecarFlags, 'values' | 'noIdentity'>,
  environment: NodeJS.ProcessEnv,
): { readonly why: string; readonly authority: boolean } | null {
  if (noIdentity || givenProof(values) !== null || !isLoopback(tlsDoor(values).host)) return null;
  const { folder, token, bundle, shown } = localFiles(values, environment);
  if (!existsSync(folder)) return null;
  const noBundle = unreadable(() => readText(bundle, maxBundleBytes));
  const given = values['trust-bundle'] !== undefined;
  const noToken = unreadable(token.read);
  const why = noToken !== '' || given ? noToken : noBundle;
  return why === '' ? null : { why: shown(why), authority: given || noBundle === '' };
}

/** One that is named has to be there: to go on without would be to go on without an identity, and with plaintext, for a slip of the pen. Throws a UserError. */
export function checkDataDir(folder: string | undefined): void {
  if (folder !== undefined && !existsSync(folder))
    throw new UserError(
      `--data-dir: there is no ${folder}; name the data directory of the control plane of this machine, or say --no-identity (and no mTLS)`,
      2,
    );
}

function tlsDoor(values: SidecarFlags['values']): HostPort {
  const plain = parseHostPort('--control-plane', values['control-plane'] ?? '127.0.0.1:15010');
  const tlsText = values['control-plane-tls'];
  return tlsText === undefined
    ? { host: plain.host, port: defaultTlsPort }
    : parseHostPort('--control-plane-tls', tlsText);
}

/** What a control plane of the same user leaves on this machine. */
function localFiles(
  values: SidecarFlags['values'],
  environment: NodeJS.ProcessEnv,
): {
  readonly folder: string;
  readonly token: IdentityProof;
  readonly bundle: string;
  /** Of a text about these files, the same with the names that the user knows. */
  readonly shown: (text: string) => string;
} {
  const folder = values['data-dir'] ?? defaultDataDir(environment);
  const original = environment[shownDataDirVariable] ?? folder;
  const shown = (text: string): string => text.replaceAll(folder, original);
  const token = joinTokenFile(join(folder, 'local-token'));
  return { folder, token: { ...token, what: shown(token.what) }, bundle: join(folder, 'trust-bundle.pem'), shown };
}

function givenProof(values: SidecarFlags['values']): IdentityProof | null {
  const { 'join-token': token, 'join-token-file': tokenFile, 'kubernetes-token-file': kubernetesFile } = values;
  const given = [token, tokenFile, kubernetesFile].filter((value) => value !== undefined).length;
  if (given > 1)
    throw new UserError(
      '--join-token, --join-token-file and --kubernetes-token-file are proofs of the same: give one',
      2,
    );
  if (token !== undefined)
    return {
      kind: 'join-token',
      what: 'the join token',
      final: true,
      read: () => {
        if (token.trim() === '') throw new Error('--join-token is empty');
        return token.trim();
      },
    };
  if (tokenFile !== undefined) return { ...joinTokenFile(tokenFile), final: true };
  if (kubernetesFile === undefined) return null;
  return {
    kind: 'kubernetes-token',
    what: `the Kubernetes token in ${kubernetesFile}`,
    read: () => readToken(kubernetesFile),
  };
}

/** A local token is not `final`: the control plane writes another at each start. */
function joinTokenFile(path: string): IdentityProof {
  return { kind: 'join-token', what: `the join token in ${path}`, read: () => readToken(path) };
}

function readToken(path: string): string {
  const token = readText(path, maxTokenBytes).trim();
  if (token === '') throw new Error(`${path} is empty`);
  return token;
}

/** Throws an Error whose message is a whole reason. */
function readText(path: string, maxBytes: number): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      code === 'ENOENT' ? `there is no ${path}` : code === 'EACCES' ? `${path} is not readable` : message,
      {
        cause: error,
      },
    );
  }
  try {
    const bytes = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= maxBytes; length += read)
      read = readSync(file, bytes, length, bytes.length - length, null);
    if (length > maxBytes) throw new Error(`${path} is longer than ${maxBytes} bytes`);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}

/** Why it cannot be read; '' when it can. */
function unreadable(read: () => unknown): string {
  try {
    read();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

function check(read: () => unknown, hint: string): void {
  const why = unreadable(read);
  if (why !== '') throw new UserError(`${why}${hint}`);
}

function idOf(trustDomain: string, namespace: string, account: string): string {
  try {
    return serviceAccountId(trustDomain, namespace, account).text;
  } catch (error) {
    throw new UserError(`--service-account: ${(error as Error).message}`, 2);
  }
}
