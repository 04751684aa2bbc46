/** Where secrets come from, as the stream server sees it: a few names for one stream of a known identity, which change now and then. What is in them is identity/issued-secrets.ts. */
import type { IssuingReason } from '../../certs/authority/certificate-authority.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { CertificateLife } from '../door/caller.ts';
import type { ResourceMap } from './served-resource.ts';

export interface SecretHolder {
  readonly identity: SpiffeId;
  readonly proof: IssuingReason['proof'];
  readonly nodeId: string;
  /** Its address. */
  readonly peer: string;
  /** Before it gets a key. Throws when its proof is good for no more of them. */
  readonly use: () => void;
  /** Called when resources() has something new; never from within a call of StreamSecrets. */
  readonly onChange: () => void;
}

export interface StreamSecrets {
  /** Of the names that were wanted. */
  resources(): ResourceMap;
  /** What the client has asked for so far. Gives those names among them that nobody has. Throws as {@link SecretHolder.use}. */
  want(names: Iterable<string>): readonly string[];
  /** The client uses these, versions by name. */
  acknowledged(versions: ReadonlyMap<string, string>): void;
  /** The one that was made for it; null: it has not asked for one. */
  readonly certificate: CertificateLife | null;
  close(): void;
}

export interface SecretSource {
  open(holder: SecretHolder): StreamSecrets;
}
