/**
 * Two stock Envoys with what our control plane sends to proxies with an identity: mTLS between them, accounts checked, PeerAuthentication, rules about principals. What would come by SDS is put beside
 * as static secrets of the same names, and tables that would come by RDS into their listeners, so that nothing but the translation is looked at.
 */
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { trustBundlePem } from '../../certs/spiffe/trust-bundle.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { publicKeyDer } from '../../certs/x509/public-key.ts';
import { ModelBuilder } from '../../control-plane/model/model-builder.ts';
import { parseFile } from '../../control-plane/source/parse-file.ts';
import { asJson } from '../../control-plane/translate/resources-as-yaml.test-data.ts';
import { instance, proxy } from '../../control-plane/translate/sample-mesh.test-data.ts';
import { type ProxyResources, translate } from '../../control-plane/translate/translate.ts';
import { freePorts } from '../peers/free-port.ts';
import { type Json, loopback } from './envoy-resources.ts';
import { ask, type Exchange } from './exchange.ts';
import { mesh } from './mesh-configuration.ts';
import { Stage } from './programs.ts';

const idOf = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`;

describe('mTLS between Envoys', () => {
  const stage = new Stage();
  let authority: CertificateAuthority;
  let appPort: number;
  let outbound: number;
  let inbound: number;

  beforeAll(async () => {
    authority = new CertificateAuthority({
      folder: join(stage.folder, 'authority'),
      trustDomain: 'cluster.local',
      clock: issuingClock(Date.now),
      operatorAuthority: null,
    });
    appPort = (await stage.backend('app')).httpPort;
  });
  afterAll(() => stage.stop());

  function secrets(account: string): Json[] {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const leaf = authority.sign(publicKeyDer(publicKey), parseSpiffeId(idOf(account)), {
      proof: 'join_token',
      peer: '',
    });
    return [
      {
        name: 'default',
        tls_certificate: {
          certificate_chain: { inline_string: writePem('CERTIFICATE', ...leaf.chain) },
          private_key: { inline_string: privateKey.export({ format: 'pem', type: 'pkcs8' }) },
        },
      },
      { name: 'ROOTCA', validation_context: { trusted_ca: { inline_string: trustBundlePem(authority.bundle()) } } },
    ];
  }

  /** A bootstrap that needs no control plane: secrets by name, tables in their listeners, endpoints in their clusters. */
  function bootstrap(resources: ProxyResources, account: string, adminPort: number): Json {
    const standing = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(standing);
      if (typeof value !== 'object' || value === null) return value;
      const { sdsConfig: _, rds, edsClusterConfig, ...rest } = value as Record<string, unknown>;
      const fields = Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, standing(inner)]));
      if (rds !== undefined) {
        const { routeConfigName } = rds as { readonly routeConfigName: string };
        return { ...fields, routeConfig: asJson('routes', resources.routes.get(routeConfigName)!) };
      }
      if (edsClusterConfig === undefined) return fields;
      const { name } = rest as { readonly name: string };
      return { ...fields, type: 'STATIC', loadAssignment: asJson('endpoints', resources.endpoints.get(name)!) };
    };
    return {
      node: { id: account, cluster: `shop/${account}` },
      admin: { address: loopback(adminPort) },
      static_resources: {
        secrets: secrets(account),
        listeners: [...resources.listeners.values()].map((each) => standing(asJson('listeners', each))),
        clusters: [...resources.clusters.values()].map((each) => standing(asJson('clusters', each))),
      },
    };
  }

  /** Starts the caller `desk` and the called `orders`, which runs as `account`, with these policies. */
  async function start(policies: readonly Json[], account = 'orders'): Promise<void> {
    const ports = (await freePorts(5)) as [number, number, number, number, number];
    const [deskAdmin, ordersAdmin, deskOutbound, ordersOutbound, ordersInbound] = ports;
    [outbound, inbound] = [deskOutbound, ordersInbound];
    const service = (name: string): Json => ({
      apiVersion: 'outrigger.dev/v1',
      kind: 'Service',
      metadata: { name, namespace: 'shop' },
      spec: { ports: [{ port: 80 }] },
    });
    const { resources, faults } = parseFile('mesh.yaml', mesh(service('orders'), service('desk'), ...policies));
    expect(faults).toEqual([]);
    const orders = instance('orders', '127.0.0.1', { port: inbound, identity: idOf(account) });
    const model = new ModelBuilder().build({ resources, instances: [orders] });
    const listen = (port: number): { readonly host: string; readonly port: number } => ({ host: '127.0.0.1', port });
    const desk = proxy('envoy', {
      service: 'desk',
      identity: parseSpiffeId(idOf('desk')),
      appPort: null,
      outboundListen: listen(outbound),
    });
    const called = proxy('envoy', {
      service: 'orders',
      identity: parseSpiffeId(idOf(account)),
      appPort,
      outboundListen: listen(ordersOutbound),
      inboundListen: listen(inbound),
    });
    await stage.envoy(bootstrap(translate(model, called), account, ordersAdmin));
    await stage.envoy(bootstrap(translate(model, desk), 'desk', deskAdmin));
  }

  const policy = (kind: string, name: string, spec: Json): Json => ({
    apiVersion: 'outrigger.dev/v1',
    kind,
    metadata: { name, namespace: 'shop' },
    spec,
  });
  const through = (path = '/'): Promise<Exchange> => ask(outbound, { host: 'orders.shop', path });

  it('is there by default: the application is told who calls, and plaintext is refused', async () => {
    await start([]);
    const answer = await through();
    expect(answer.status).toBe(200);
    const { headers } = JSON.parse(answer.body) as { readonly headers: Record<string, string[]> };
    expect(headers['X-Forwarded-Client-Cert']![0]).toMatch(
      /^By=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/orders;Hash=[0-9a-f]{64};URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/desk$/,
    );
    const plain = await ask(inbound, {
      headers: { 'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/shop/sa/desk' },
    });
    expect([plain.status, plain.body]).toEqual([403, 'RBAC: access denied']);
  });

  it('does not call who is not one of the accounts of the service', async () => {
    await start([], 'payments');
    expect((await through()).status).toBe(503);
  });

  it('lets plaintext through where PERMISSIVE says so, without an identity', async () => {
    await start([
      policy('PeerAuthentication', 'both', { mtls: { mode: 'PERMISSIVE' } }),
      policy('AuthorizationPolicy', 'open', {
        rules: [
          { to: [{ operation: { paths: ['/open'] } }] },
          { from: [{ source: { principals: ['*'] } }], to: [{ operation: { paths: ['/known'] } }] },
        ],
      }),
    ]);
    expect((await through('/known')).status).toBe(200);
    expect((await ask(inbound, { path: '/open' })).status).toBe(200);
    expect((await ask(inbound, { path: '/known' })).status).toBe(403);
  });

  it('allows by principal, namespace and account', async () => {
    const one = (path: string, source: Json): Json => ({ from: [{ source }], to: [{ operation: { paths: [path] } }] });
    await start([
      policy('AuthorizationPolicy', 'callers', {
        rules: [
          one('/exact', { principals: ['cluster.local/ns/shop/sa/desk'] }),
          one('/prefix', { principals: ['cluster.local/ns/shop/*'] }),
          one('/suffix', { principals: ['*/sa/desk'] }),
          one('/namespace', { namespaces: ['shop'] }),
          one('/namespaces', { namespaces: ['*op'] }),
          one('/account', { serviceAccounts: ['desk'] }),
          one('/other', { principals: ['cluster.local/ns/shop/sa/des', '*/sa/esk'], namespaces: ['sho', 'hop'] }),
          one('/not', { notPrincipals: ['*/sa/desk'] }),
          one('/not-other', { notNamespaces: ['office'], notServiceAccounts: ['office/desk'] }),
        ],
      }),
    ]);
    const status = async (path: string): Promise<number> => (await through(path)).status;
    for (const path of ['/exact', '/prefix', '/suffix', '/namespace', '/namespaces', '/account', '/not-other'])
      expect(await status(path), path).toBe(200);
    for (const path of ['/other', '/not', '/nothing']) expect(await status(path), path).toBe(403);
  });
});
