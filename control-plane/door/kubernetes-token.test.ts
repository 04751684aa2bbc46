/** Kubernetes service account tokens on the TLS door, reviewed over HTTPS by an API server that a test plays: its certificate is of a CA of its own, as a cluster's is. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forge, forgedAuthority, forgedKey, forgedLeaf } from '../../certs/x509/forged-certificate.test-data.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { NodeSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { AggregatedDiscoveryService } from '../../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { kubernetesFetch } from '../identity/kubernetes-fetch.ts';
import { kubernetesToken } from '../identity/kubernetes-token.test-data.ts';
import { TokenReview } from '../identity/token-review.ts';
import { typeOrder } from '../xds-server/served-resource.ts';
import { bearer, MeshDoors, type OpenStream, stream } from './mesh-doors.test-data.ts';

let folder = '';
let api: Server;
let doors: MeshDoors;
let asked: string[] = [];

beforeEach(async () => {
  asked = [];
  folder = mkdtempSync(join(tmpdir(), 'outrigger-kubernetes-'));
  const root = forgedAuthority('cluster');
  const key = forgedKey();
  const leaf = forgedLeaf(root, '', { key, uris: [], dnsNames: ['localhost'] });
  writeFileSync(join(folder, 'ca.crt'), writePem('CERTIFICATE', forge(root)));
  api = createServer(
    {
      cert: writePem('CERTIFICATE', forge(leaf)),
      key: key.privateKey.export({ format: 'pem', type: 'pkcs8' }),
    },
    (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        asked.push(`${request.headers.authorization} ${request.url}`);
        const { token } = (JSON.parse(body) as { readonly spec: { readonly token: string } }).spec;
        const answer = { authenticated: token.endsWith('.good'), audiences: ['outrigger'] };
        response.writeHead(201);
        response.end(
          JSON.stringify({ status: { ...answer, user: { username: 'system:serviceaccount:shop:orders' } } }),
        );
      });
    },
  );
  await new Promise<void>((resolve) => api.listen(0, 'localhost', resolve));
  await startDoors(join(folder, 'ca.crt'));
});

afterEach(async () => {
  await doors.stop();
  api.close();
  rmSync(folder, { recursive: true });
});

async function startDoors(caFile: string): Promise<void> {
  doors = await MeshDoors.start({
    tokenReview: new TokenReview({
      apiServer: `https://localhost:${(api.address() as AddressInfo).port}`,
      audience: 'outrigger',
      bearerToken: () => 'own',
      fetch: kubernetesFetch({ ca: () => readFileSync(caFile, 'utf8') }),
    }),
  });
}

function ads(token: string, cluster = 'shop/orders'): OpenStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
  const opened: OpenStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = stream(
    doors.tls(),
    AggregatedDiscoveryService,
    'deltaAggregatedResources',
    bearer(token),
  );
  opened.write(
    create(DeltaDiscoveryRequestSchema, {
      node: create(NodeSchema, { id: 'one', cluster }),
      typeUrl: typeOrder.cluster,
    }),
  );
  return opened;
}

describe('a Kubernetes token', () => {
  it('is good for the identity of its service account', async () => {
    expect((await ads(kubernetesToken('good')).next()).resources).toHaveLength(1);
    expect(asked).toEqual(['Bearer own /apis/authentication.k8s.io/v1/tokenreviews']);
    expect(await ads(kubernetesToken('good'), 'shop/payments').failed).toMatchObject({
      code: status.PERMISSION_DENIED,
    });
  });

  it('that the cluster does not know is refused', async () => {
    expect(await ads(kubernetesToken('bad')).failed).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it('ends its stream when it ends itself', async () => {
    const opened = ads(kubernetesToken('good', { exp: Date.now() / 1000 + 1 }));
    await opened.next();
    expect(await doors.hasten(opened.failed)).toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('has to be shown again'),
    });
  });

  it('is neither good nor bad when the API server is not who it should be', async () => {
    await doors.stop();
    writeFileSync(join(folder, 'other.crt'), writePem('CERTIFICATE', forge(forgedAuthority('other'))));
    await startDoors(join(folder, 'other.crt'));
    expect(await ads(kubernetesToken('good')).failed).toMatchObject({ code: status.UNAVAILABLE });
    expect(asked).toEqual([]);
  });
});
