/**
 * Secrets for proxies that get them by SDS, as Envoy does: `default`, its own certificate and key, and `ROOTCA`, what it judges peers by; for the identity of its stream, and nobody else's. In a root rotation a proxy
 * gets its certificate of the new root only after it has said that it uses the new roots; what it says is the rotation's evidence.
 */
import { createHash } from 'node:crypto';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { TrustedBundles } from '../../certs/spiffe/trusted-bundles.ts';
import type { CertificateLife } from '../door/caller.ts';
import { refusalReason } from '../door/refusal.ts';
import type { RefusalLog } from '../door/refusal-log.ts';
import type { SecretHolder, SecretSource, StreamSecrets } from '../xds-server/secret-source.ts';
import type { ResourceMap, ServedResource } from '../xds-server/served-resource.ts';
import type { BundleWatcher, BundleWatchers } from './bundle-watchers.ts';
import { rootsSecret, secretNames } from './encode-secret.ts';
import { ProxyCertificate, type ProxyCertificateOptions } from './proxy-certificate.ts';
import type { SigningRate } from './signing-rate.ts';

export interface IssuedSecretsOptions extends ProxyCertificateOptions {
  readonly bundles: TrustedBundles;
  readonly watchers: BundleWatchers;
  readonly refusalLog: RefusalLog;
  /** Shared with who else signs for callers. */
  readonly rate: SigningRate;
  /** Of one identity at a time, whatever its proxies call themselves. Default 1,000. */
  readonly maxProxiesOfOne?: number;
}

/** How long a certificate is kept for a proxy whose streams have ended. */
const keptMs = 60_000;

interface SharedCertificate {
  readonly certificate: ProxyCertificate;
  readonly users: Set<OpenSecrets>;
  stopForgetting: () => void;
}

export class IssuedSecrets implements SecretSource {
  readonly #options: IssuedSecretsOptions;
  readonly #certificates = new Map<string, SharedCertificate>();
  readonly #countOf = new Map<string, number>();
  readonly #open = new Set<OpenSecrets>();
  #roots: ServedResource;
  #sequence: number;

  constructor(options: IssuedSecretsOptions) {
    this.#options = options;
    this.#roots = rootsSecret(options.bundles.all());
    this.#sequence = options.authority.bundle().sequence ?? 0;
  }

  get roots(): ServedResource {
    return this.#roots;
  }

  /** The own bundle's sequence number that the roots have. */
  get sequence(): number {
    return this.#sequence;
  }

  get signingId(): string {
    return this.#options.authority.signingId;
  }

  open(holder: SecretHolder): StreamSecrets {
    const secrets = new OpenSecrets(this, holder);
    this.#open.add(secrets);
    return secrets;
  }

  /** Who is to be trusted, or who signs, has changed. */
  authorityChanged(): void {
    this.#sequence = this.#options.authority.bundle().sequence ?? 0;
    const roots = rootsSecret(this.#options.bundles.all());
    const changed = roots.version !== this.#roots.version;
    if (changed) this.#roots = roots;
    for (const secrets of [...this.#open]) {
      if (changed) secrets.changed();
      secrets.moveWhenReady();
    }
  }

  close(): void {
    for (const { certificate, stopForgetting } of this.#certificates.values()) {
      stopForgetting();
      certificate.close();
    }
    this.#certificates.clear();
  }

  watch(watcher: BundleWatcher): void {
    this.#options.watchers.add(watcher);
  }

  forget(secrets: OpenSecrets): void {
    this.#open.delete(secrets);
    this.#options.watchers.delete(secrets);
    const key = keyOf(secrets.owner);
    const shared = this.#certificates.get(key);
    if (shared === undefined || !shared.users.delete(secrets) || shared.users.size > 0) return;
    shared.stopForgetting = this.#options.after(keptMs, () => {
      shared.certificate.close();
      this.#certificates.delete(key);
      this.#count(secrets.owner.identity.text, -1);
    });
  }

  /** Makes it when this is the proxy's first stream that wants it. Null: this identity has too many. */
  certificateOf(secrets: OpenSecrets): ProxyCertificate | null {
    const holder = secrets.owner;
    const key = keyOf(holder);
    let shared = this.#certificates.get(key);
    if (shared === undefined) {
      // Who is refused must not use up a token.
      if (!this.#count(holder.identity.text, 1)) return null;
      try {
        this.#takeRate(holder.identity);
        holder.use();
      } catch (error) {
        this.#count(holder.identity.text, -1);
        throw error;
      }
      const users = new Set<OpenSecrets>();
      const reason = { proof: holder.proof, peer: holder.peer, holder: secrets.holder };
      const certificate = new ProxyCertificate(this.#options, holder.identity, reason, () => {
        for (const user of [...users]) user.changed();
      });
      shared = { certificate, users, stopForgetting: () => {} };
      this.#certificates.set(key, shared);
    }
    shared.stopForgetting();
    shared.users.add(secrets);
    return shared.certificate;
  }

  /** Only new ones: they are renewed at a pace that we set. */
  #takeRate(identity: SpiffeId): void {
    try {
      this.#options.rate.take(identity, null);
    } catch (error) {
      this.#options.metrics.signed('sds', refusalReason(error));
      throw error;
    }
  }

  #count(identity: string, change: 1 | -1): boolean {
    const { maxProxiesOfOne = 1_000, refusalLog } = this.#options;
    const count = (this.#countOf.get(identity) ?? 0) + change;
    if (count > maxProxiesOfOne) {
      refusalLog
        .next()
        ?.warn(
          `${identity} has ${maxProxiesOfOne} proxies with certificates by SDS: one more gets none; does each proxy say another node.id every time?`,
        );
      return false;
    }
    if (count <= 0) this.#countOf.delete(identity);
    else this.#countOf.set(identity, count);
    return true;
  }
}

/** The secrets of one stream. */
class OpenSecrets implements StreamSecrets, BundleWatcher {
  readonly owner: SecretHolder;
  readonly holder: string;
  /** SDS has no word for it. */
  readonly leaving: boolean = false;
  readonly #source: IssuedSecrets;
  #certificate: ProxyCertificate | null = null;
  #wantsRoots = false;
  #usedRoots = '';
  #usedSequence = 0;
  #usedAuthority = '';
  #watched = false;

  constructor(source: IssuedSecrets, owner: SecretHolder) {
    this.#source = source;
    this.owner = owner;
    this.holder = `sds-${createHash('sha256').update(keyOf(owner)).digest('hex').slice(0, 32)}`;
  }

  get identity(): string {
    return this.owner.identity.text;
  }

  /** Who does not ask for the roots has them from somewhere else, and is not waited for; so with the certificate. */
  get appliedSequence(): number {
    return this.#wantsRoots && !this.#hasRoots ? this.#usedSequence : this.#source.sequence;
  }

  get certificateAuthorityId(): string {
    return this.#certificate === null ? this.#source.signingId : this.#usedAuthority;
  }

  get certificate(): CertificateLife | null {
    return this.#certificate?.life ?? null;
  }

  /** What is new goes by its stream. */
  send(): void {}

  resources(): ResourceMap {
    const map = new Map<string, ServedResource>();
    if (this.#wantsRoots) map.set(secretNames.roots, this.#source.roots);
    const own = this.#certificate?.resource ?? null;
    if (own !== null) map.set(secretNames.own, own);
    return map;
  }

  want(names: Iterable<string>): readonly string[] {
    const unknown: string[] = [];
    for (const name of names) {
      if (name === secretNames.roots) this.#wantsRoots = true;
      else if (name === secretNames.own) this.#certificate ??= this.#source.certificateOf(this);
      else unknown.push(name);
    }
    if (!this.#watched && (this.#wantsRoots || this.#certificate !== null)) {
      this.#watched = true;
      this.#source.watch(this);
    }
    return unknown;
  }

  acknowledged(versions: ReadonlyMap<string, string>): void {
    const roots = versions.get(secretNames.roots);
    if (roots !== undefined) {
      this.#usedRoots = roots;
      if (this.#hasRoots) this.#usedSequence = this.#source.sequence;
    }
    if (this.#certificate !== null && versions.get(secretNames.own) === this.#certificate.resource?.version)
      this.#usedAuthority = this.#certificate.authorityId;
    this.moveWhenReady();
  }

  /** A certificate of a new root is no good before the proxy's peers are judged by it, and it by them. */
  moveWhenReady(): void {
    if (!this.#wantsRoots || this.#hasRoots) this.#certificate?.moveToSigner();
  }

  changed(): void {
    this.owner.onChange();
  }

  close(): void {
    this.#source.forget(this);
  }

  get #hasRoots(): boolean {
    return this.#usedRoots === this.#source.roots.version;
  }
}

function keyOf({ identity, nodeId, proof }: SecretHolder): string {
  return `${identity.text}\n${proof}\n${nodeId}`;
}
