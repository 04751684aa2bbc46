/** One bootstrap with a DNS listener, in our sidecar and in Envoy: the same questions, the same codes and addresses, with the differences that stand here. By UDP; TCP is ours alone. */
import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMessage, recordType, writeMessage } from '../../sidecar/dns/dns-message.ts';
import { nameFromText } from '../../sidecar/dns/dns-name.ts';
import { freePorts } from '../peers/free-port.ts';
import { Stage } from './programs.ts';

const stage = new Stage();
const ports = { outrigger: 0, envoy: 0 };
type Proxy = keyof typeof ports;

const domain = (name: string, ...address: string[]) => ({
  name,
  answer_ttl: '30s',
  endpoint: { address_list: { address } },
});

const bootstrap = (adminPort: number, port: number) => ({
  node: { id: 'dns', cluster: 'dns' },
  admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
  static_resources: {
    listeners: [
      {
        name: 'dns',
        address: { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: port } },
        listener_filters: [
          {
            name: 'envoy.filters.udp.dns_filter',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig',
              stat_prefix: 'dns',
              server_config: {
                inline_dns_table: {
                  virtual_domains: [
                    domain('orders.shop', '240.240.3.7', '2001:2::f0f0:307'),
                    domain('web.shop.svc.cluster.local', '240.240.3.8', '240.240.3.9'),
                    domain('*.wild.shop', '10.0.0.1'),
                  ],
                },
              },
            },
          },
        ],
      },
    ],
  },
});

function ask(proxy: Proxy, name: string, type: number): Promise<{ readonly code: number; readonly answers: string[] }> {
  const questions = [{ name: nameFromText(name), type, class: 1 }];
  const question = writeMessage({ id: 7, flags: 0x0100, questions, answers: [], authorities: [], additionals: [] });
  const socket = createSocket('udp4');
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${proxy} says nothing to ${name}`)), 10_000);
    socket.on('message', (bytes) => {
      clearTimeout(timer);
      socket.close();
      const { id, flags, answers } = readMessage(bytes);
      expect([id, flags & 0x8000]).toEqual([7, 0x8000]);
      // Envoy gives several in an order of its own each time.
      const found = answers.map(({ type: of, ttl, data }) => `${of} ${ttl} ${data.toString('hex')}`).toSorted();
      resolve({ code: flags & 0xf, answers: found });
    });
    socket.send(question, ports[proxy], '127.0.0.1');
  });
}

beforeAll(async () => {
  for (const proxy of ['outrigger', 'envoy'] as const) {
    const [port = 0, adminPort = 0] = await freePorts(2);
    ports[proxy] = port;
    const file = bootstrap(adminPort, port);
    await (proxy === 'envoy' ? stage.envoy(file) : stage.sidecar(file));
  }
}, 60_000);
afterAll(() => stage.stop());

describe('questions', () => {
  it.each<[string, number]>([
    ['orders.shop', recordType.a],
    ['orders.shop', recordType.aaaa],
    ['web.shop.svc.cluster.local', recordType.a],
    ['unknown.shop', recordType.a],
    ['unknown.example.com', recordType.aaaa],
  ])('%s, type %i: as Envoy', async (name, type) => {
    expect(await ask('outrigger', name, type)).toEqual(await ask('envoy', name, type));
  });

  it.each<[string, string, number, object, object]>([
    [
      'a type that a name has nothing of is NODATA, and no name that does not exist',
      'web.shop.svc.cluster.local',
      recordType.aaaa,
      { code: 0, answers: [] },
      { code: 3, answers: [] },
    ],
    [
      'names below *. have the answer_ttl of their domain',
      'a.b.wild.shop',
      recordType.a,
      { code: 0, answers: ['1 30 0a000001'] },
      { code: 0, answers: ['1 300 0a000001'] },
    ],
  ])('differ from Envoy: %s', async (_, name, type, ours, theirs) => {
    expect([await ask('outrigger', name, type), await ask('envoy', name, type)]).toEqual([ours, theirs]);
  });
});
