/**
 * Everything of identity in the control plane, put together: the authority and its rotation, trust bundles, tokens, the identity service, secrets, and the files by which others find their way here. Exists only
 * where there is a TLS door.
 */
import { readFileSync, rmSync } from 'node:fs';
import type { Logger } from 'pino';
import { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { type AuthorityFiles, readAuthorityFiles } from '../../certs/authority/operator-authority.ts';
import type { SigningAuthority } from '../../certs/authority/signing-authority.ts';
import { IdentityFault } from '../../certs/identity-fault.ts';
import { JoinTokens } from '../../certs/join-token/join-tokens.ts';
import { LocalToken } from '../../certs/join-token/local-token.ts';
import { controlPlaneId } from '../../certs/spiffe/control-plane-id.ts';
import { trustBundlePem } from '../../certs/spiffe/trust-bundle.ts';
import { TrustedBundles } from '../../certs/spiffe/trusted-bundles.ts';
import { readMountedSecret, writeOwnerOnly } from '../../certs/storage/owner-only.ts';
import type { DataFolder } from '../data-folder/data-folder.ts';
import { Authentication } from '../door/authentication.ts';
import { RefusalLog } from '../door/refusal-log.ts';
import { BundleWatchers } from './bundle-watchers.ts';
import { FederatedBundles, type FederatedFile } from './federated-bundles.ts';
import { IdentityMetrics } from './identity-metrics.ts';
import { IdentityService } from './identity-service.ts';
import { IssuedSecrets } from './issued-secrets.ts';
import { RotationTimer, rotationTiming } from './rotation-timer.ts';
import { MeshServerCredentials } from './server-credentials.ts';
import { type SigningLimits, SigningRate } from './signing-rate.ts';
import type { TokenReview } from './token-review.ts';
import { WatchedText } from './watched-text.ts';

/** What an operator says of the mesh's identities. */
export interface IdentitySettings {
  readonly trustDomain: string;
  readonly certificateLifetimeMs: number;
  /** The operator's own root or intermediate; null: a root is made in the data directory. */
  readonly authorityFiles: AuthorityFiles | null;
  /** A root made here takes the place of the operator's that was used before. Default false. */
  readonly ownInstead?: boolean;
  /** How often certificates are signed. Default: as docs/authority.md says. */
  readonly signingLimits?: SigningLimits;
  readonly federated: readonly FederatedFile[];
  /** Null: Kubernetes' tokens are not taken. */
  readonly tokenReview: TokenReview | null;
}

export interface MeshIdentityOptions extends IdentitySettings {
  readonly dataFolder: DataFolder;
  readonly log: Logger;
  /** Wall clock. */
  readonly nowMs: () => number;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly random: () => number;
}

export const localTokenFile = 'local-token';
export const trustBundleFile = 'trust-bundle.pem';

const checkFilesMs = 5_000;

export class MeshIdentity {
  readonly authority: CertificateAuthority;
  readonly bundles: TrustedBundles;
  readonly joinTokens: JoinTokens;
  readonly authentication: Authentication;
  readonly service: IdentityService;
  readonly secrets: IssuedSecrets;
  readonly watchers: BundleWatchers;
  readonly metrics: IdentityMetrics = new IdentityMetrics();
  readonly credentials: MeshServerCredentials;
  readonly refusalLog: RefusalLog;
  readonly #options: MeshIdentityOptions;
  readonly #localToken: LocalToken;
  readonly #rotation: RotationTimer;
  readonly #federated: FederatedBundles;
  readonly #authorityText: WatchedText | null;
  #cancelCheck: () => void = () => {};

  /** Throws IdentityFault, and Errors of one line, for files and folders that can't be used. */
  constructor(options: MeshIdentityOptions) {
    const { dataFolder, trustDomain, log, nowMs, after, random, certificateLifetimeMs } = options;
    this.#options = options;
    const clock = issuingClock(nowMs);
    const timing = rotationTiming(certificateLifetimeMs);
    const folder = dataFolder.file('authority');
    this.authority = new CertificateAuthority({
      folder,
      trustDomain,
      clock,
      leafLifetimeMs: certificateLifetimeMs,
      rotationTiming: timing,
      operatorAuthority: this.#readAuthority(),
      ownInstead: options.ownInstead === true,
    });
    this.bundles = new TrustedBundles(() => this.authority.bundle());
    this.#federated = new FederatedBundles(options.federated, this.bundles, () => this.#trustChanged());
    const local = LocalToken.make(clock);
    this.#localToken = local.token;
    this.joinTokens = new JoinTokens(folder, trustDomain, clock, local.token);
    this.watchers = new BundleWatchers(this.authority.holders, nowMs, certificateLifetimeMs);
    const { authority, bundles, joinTokens, watchers, metrics } = this;
    const { tokenReview } = options;
    const refusalLog = new RefusalLog(log, after);
    this.refusalLog = refusalLog;
    const rate = new SigningRate(nowMs, certificateLifetimeMs, options.signingLimits);
    this.authentication = new Authentication({ authority, joinTokens, tokenReview, nowMs });
    this.service = new IdentityService({
      authority,
      bundles,
      joinTokens,
      tokenReview,
      watchers,
      metrics,
      rate,
      nowMs,
      log,
      refusalLog,
    });
    this.secrets = new IssuedSecrets({
      authority,
      bundles,
      watchers,
      metrics,
      log,
      refusalLog,
      rate,
      nowMs,
      after,
      random,
    });
    this.credentials = new MeshServerCredentials(authority, controlPlaneId(trustDomain), { nowMs, after }, (error) =>
      log.error(`cannot renew the control plane's own certificate: ${error.message}; trying again`),
    );
    authority.onChange(() => this.#trustChanged());
    this.#authorityText = this.#watchAuthority();
    this.#rotation = new RotationTimer({ authority, watchers, timing, log, nowMs, after });
    if (options.authorityFiles !== null || authority.status().state.phase !== 'steady')
      log.info(`authority of ${trustDomain}: ${authority.status().words}`);
    this.#writeTrustBundle();
    writeOwnerOnly(dataFolder.file(localTokenFile), `${local.text}\n`);
    this.#scheduleCheck();
  }

  /** Whether this is the control plane's own token: then whoever shows it may read its owner's files. */
  isLocalToken(text: string): boolean {
    return this.#localToken.matches(text);
  }

  get rootIsOperators(): boolean {
    return this.#options.authorityFiles !== null;
  }

  /** Why the operator's or a federated file as it is now is not in use; '' when it is. */
  fileFault(trustDomain: string): string {
    if (trustDomain === this.authority.trustDomain) return this.#authorityText?.fault ?? '';
    return this.#federated.fault(trustDomain);
  }

  /** Backs out of a root rotation. Throws IdentityFault. */
  revertRotation(): void {
    const { state } = this.authority.status();
    const inFiles = this.#readAuthority();
    const back = state.phase === 'draining' ? state.old : state.signing;
    if (inFiles !== null && state.phase !== 'steady' && inFiles.id !== back)
      throw new IdentityFault(
        'rotation-state',
        `the files of --ca-certificate hold the authority ${inFiles.id}, and ${back} would sign again; put that one back into them first, else the rotation would begin anew at the next start`,
      );
    this.authority.revert();
  }

  /** Looks at the operator's and the federated files. */
  checkFiles(): void {
    this.#federated.check(this.#options.log);
    this.#authorityText?.check(this.#options.log);
  }

  close(): void {
    this.#cancelCheck();
    this.#rotation.close();
    this.secrets.close();
    this.credentials.close();
    rmSync(this.#options.dataFolder.file(localTokenFile), { force: true });
    this.authority.close();
  }

  #readAuthority(): SigningAuthority | null {
    const { authorityFiles, trustDomain, nowMs } = this.#options;
    return authorityFiles === null ? null : readAuthorityFiles(authorityFiles, trustDomain, nowMs());
  }

  #watchAuthority(): WatchedText | null {
    const files = this.#options.authorityFiles;
    if (files === null) return null;
    let first = true;
    const read = (): string =>
      [
        readFileSync(files.chain, 'utf8'),
        files.roots === null ? '' : readFileSync(files.roots, 'utf8'),
        readMountedSecret(files.key),
      ].join('\0');
    return new WatchedText(read, () => {
      if (first) first = false;
      else {
        const inFiles = this.#readAuthority()!;
        this.authority.use(inFiles);
        this.#options.log.info(
          `the files of --ca-certificate hold another certificate, of the authority ${inFiles.id}: ${this.authority.status().words}`,
        );
      }
    });
  }

  #trustChanged(): void {
    this.#writeTrustBundle();
    this.watchers.sendAll();
    this.secrets.authorityChanged();
  }

  #writeTrustBundle(): void {
    const { dataFolder, log } = this.#options;
    try {
      dataFolder.writePublic(trustBundleFile, trustBundlePem(this.authority.bundle()));
    } catch (error) {
      log.error(`cannot write ${dataFolder.file(trustBundleFile)}: ${(error as Error).message}`);
    }
  }

  #scheduleCheck(): void {
    this.#cancelCheck = this.#options.after(checkFilesMs, () => {
      this.checkFiles();
      this.#scheduleCheck();
    });
  }
}
