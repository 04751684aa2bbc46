/** `outrigger.identity.v1` over grpc-js: certificates for who can prove who they are, and the roots to trust. */
import { create } from '@bufbuild/protobuf';
import { type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { CertificateAuthority, IssuingReason } from '../../certs/authority/certificate-authority.ts';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { JoinTokens } from '../../certs/join-token/join-tokens.ts';
import { controlPlaneId } from '../../certs/spiffe/control-plane-id.ts';
import { parseSpiffeId, type SpiffeId, serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import type { TrustedBundles } from '../../certs/spiffe/trusted-bundles.ts';
import { readCertificationRequest } from '../../certs/x509/certification-request.ts';
import {
  type SignRequest,
  type SignResponse,
  SignResponseSchema,
  type TrustBundle,
  TrustBundleSchema,
  type WatchBundleRequest,
  type WatchBundleResponse,
  WatchBundleResponseSchema,
} from '../../proto/generated/outrigger/identity/v1/identity_pb.js';
import { asUnauthenticated, refusal, refusalOf, refusalReason } from '../door/refusal.ts';
import type { RefusalLog } from '../door/refusal-log.ts';
import type { BundleWatchers } from './bundle-watchers.ts';
import { type ConnectionContext, type ConnectionIdentity, connectionIdentity } from './connection-identity.ts';
import type { IdentityMetrics } from './identity-metrics.ts';
import type { SigningRate } from './signing-rate.ts';
import type { TokenReview } from './token-review.ts';

export interface IdentityServiceOptions {
  readonly authority: CertificateAuthority;
  readonly bundles: TrustedBundles;
  readonly joinTokens: JoinTokens;
  /** Null: not in Kubernetes, and its tokens are refused. */
  readonly tokenReview: TokenReview | null;
  /** Everybody who holds leaves; shared with who else gives some. */
  readonly watchers: BundleWatchers;
  readonly metrics: IdentityMetrics;
  /** Shared with who else signs for callers. */
  readonly rate: SigningRate;
  readonly nowMs: () => number;
  readonly log: Logger;
  /** For what anybody can make us refuse. */
  readonly refusalLog: RefusalLog;
}

export class IdentityService {
  readonly #options: IdentityServiceOptions;

  constructor(options: IdentityServiceOptions) {
    this.#options = options;
  }

  readonly implementation = {
    sign: (call: ServerUnaryCall<SignRequest, SignResponse>, answer: sendUnaryData<SignResponse>): void => {
      const { refusalLog, metrics } = this.#options;
      const proof = proofNames[call.request.proof.case ?? 'none'];
      this.#sign(call.request, call.getAuthContext(), call.getPeer()).then(
        (response) => {
          metrics.signed(proof, 'issued');
          answer(null, response);
        },
        (error: Error) => {
          metrics.signed(proof, refusalReason(error));
          answer(refusalOf(error, `signing for ${call.getPeer()}`, refusalLog.next()));
        },
      );
    },
    watchBundle: (stream: ServerDuplexStream<WatchBundleRequest, WatchBundleResponse>): void => {
      const { authority, nowMs, watchers, refusalLog } = this.#options;
      let identity: ConnectionIdentity | null;
      try {
        identity = connectionIdentity(stream.getAuthContext() as ConnectionContext, authority, nowMs());
        if (identity === null)
          throw new IdentityFault('token-refused', 'watching trust bundles takes a client certificate of this mesh');
      } catch (error) {
        stream.emit(
          'error',
          refusalOf(asUnauthenticated(error), `watching for ${stream.getPeer()}`, refusalLog.next()),
        );
        return;
      }
      const { id, leaf } = identity;
      const watcher = {
        identity: id.text,
        holder: authority.holders.holderOf(leaf.serial) ?? leaf.serial,
        appliedSequence: 0,
        certificateAuthorityId: '',
        leaving: false,
        send: () => {
          // Whoever does not read is let go, rather than kept in memory without end; it comes back and gets everything.
          if (stream.writableLength > 16)
            stream.emit('error', refusal(status.RESOURCE_EXHAUSTED, 'this watcher does not keep up; watch again'));
          else
            stream.write(
              create(WatchBundleResponseSchema, { bundles: this.#bundles(), authorityId: authority.signingId }),
            );
        },
      };
      if (!watchers.add(watcher)) {
        stream.emit(
          'error',
          refusal(status.RESOURCE_EXHAUSTED, `${id.text} watches trust bundles too many times at once`),
        );
        return;
      }
      stream.on('data', (request: WatchBundleRequest) => {
        watcher.appliedSequence = Number(request.appliedSequence);
        watcher.certificateAuthorityId = request.certificateAuthorityId;
        watcher.leaving = request.leaving;
      });
      const stop = (): void => watchers.delete(watcher);
      stream.on('end', () => {
        stop();
        stream.end();
      });
      for (const event of ['cancelled', 'close', 'error'] as const) stream.on(event, stop);
      watcher.send();
    },
  };

  async #sign(request: SignRequest, context: ConnectionContext, peer: string): Promise<SignResponse> {
    const { authority, log, rate } = this.#options;
    // The key first: a request that is no good must not use up a token.
    const publicKey = readCertificationRequest(request.certificationRequest);
    const wanted = request.spiffeId === '' ? null : parseSpiffeId(request.spiffeId);
    const { id, ...proven } = await this.#prove(request, wanted, context, publicKey, peer);
    if (id.text === controlPlaneId(authority.trustDomain).text)
      throw new IdentityFault('not-allowed', `${id.text} is the control plane's own identity; nobody else gets it`);
    rate.take(id, this.#proxyOf(request, publicKey, proven.renews));
    const leaf = authority.sign(publicKey, id, { ...proven, peer });
    log.debug(`signed a certificate for ${id.text} (${proven.proof}, ${peer}), serial ${leaf.serial}`);
    return create(SignResponseSchema, {
      chain: [...leaf.chain],
      notAfterSeconds: BigInt(leaf.notAfterMs / 1000),
      authorityId: leaf.authorityId,
      bundles: this.#bundles(),
    });
  }

  /** What tells the proxy from others of its identity: its certificates, its token, or its key where a token is for many. */
  #proxyOf({ proof }: SignRequest, publicKey: Uint8Array, renews: string | undefined): string {
    if (renews !== undefined) return this.#options.authority.holders.holderOf(renews) ?? renews;
    return proof.case === 'kubernetesToken' ? proof.value : Buffer.from(publicKey).toString('base64');
  }

  async #prove(
    request: SignRequest,
    wanted: SpiffeId | null,
    context: ConnectionContext,
    publicKey: Uint8Array,
    peer: string,
  ): Promise<{ readonly id: SpiffeId } & Pick<IssuingReason, 'proof' | 'renews'>> {
    const { authority, joinTokens, tokenReview, nowMs } = this.#options;
    switch (request.proof.case) {
      case 'joinToken':
        return { id: joinTokens.redeem(request.proof.value, wanted, publicKey), proof: 'join_token' };
      case 'kubernetesToken': {
        if (tokenReview === null)
          throw new IdentityFault(
            'token-refused',
            'this control plane does not run in Kubernetes, and takes no tokens of it; use a join token',
          );
        const { namespace, serviceAccount } = await tokenReview.review(request.proof.value, {
          host: peer.slice(0, peer.lastIndexOf(':')),
          signing: true,
        });
        return {
          id: onlyIf(wanted, serviceAccountId(authority.trustDomain, namespace, serviceAccount), 'Kubernetes token'),
          proof: 'kubernetes_token',
        };
      }
      case 'connectionCertificate': {
        let current: ConnectionIdentity | null;
        try {
          current = connectionIdentity(context, authority, nowMs());
        } catch (error) {
          throw asUnauthenticated(error);
        }
        if (current === null)
          throw new IdentityFault(
            'token-refused',
            'this connection has no certificate that this mesh has signed; show the current one, or another proof',
          );
        const id = onlyIf(wanted, current.id, 'current certificate');
        return { id, proof: 'certificate', renews: current.leaf.serial };
      }
      case undefined:
        throw new IdentityFault(
          'token-refused',
          'there is no proof: send a join token or a Kubernetes token, or connect with the current certificate',
        );
    }
  }

  #bundles(): TrustBundle[] {
    return this.#options.bundles
      .all()
      .map(({ trustDomain, roots, sequence }) =>
        create(TrustBundleSchema, { trustDomain, roots: roots.map(({ der }) => der), sequence: BigInt(sequence ?? 0) }),
      );
  }
}

const proofNames = {
  joinToken: 'join_token',
  kubernetesToken: 'kubernetes_token',
  connectionCertificate: 'certificate',
  none: 'none',
} as const;

function onlyIf(wanted: SpiffeId | null, proven: SpiffeId, proof: string): SpiffeId {
  if (wanted !== null && wanted.text !== proven.text)
    throw new IdentityFault('not-allowed', `the ${proof} is ${proven.text}'s, and ${wanted.text} was asked for`);
  return proven;
}
