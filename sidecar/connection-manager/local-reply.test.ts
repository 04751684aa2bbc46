import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError, type ResponseFlag } from '../codec/proxy-error.ts';
import { localReply, type ReplyContext, replyGrpcStatus, replyStatus } from './local-reply.ts';
import { get } from './test/stream-rig.ts';

const context: ReplyContext = {
  grpc: false,
  serverName: 'outrigger',
  route: 'shop/orders#rule-0',
  service: 'orders.shop',
  requestId: 'id-1',
  wallMs: Date.UTC(2026, 10, 23, 18),
};

function fault(flag: ResponseFlag, status = 0, message = 'It failed.'): ProxyError {
  return new ProxyError({ flag, source: 'local', details: 'some_details', message, status });
}

test.each([
  ['UH', 0, 503, 14],
  ['UF', 0, 503, 14],
  ['UO', 0, 503, 14],
  ['UC', 0, 503, 14],
  ['UR', 0, 503, 14],
  ['URX', 0, 503, 14],
  ['NC', 500, 500, 14],
  ['NC', 0, 503, 14],
  ['UT', 0, 504, 4],
  ['UMSDR', 0, 504, 4],
  ['SI', 408, 408, 4],
  ['UPE', 0, 502, 14],
  ['NR', 0, 404, 12],
  ['DPE', 0, 400, 13],
  ['DPE', 413, 413, 2],
  ['', 403, 403, 7],
] as const)('flag %s with status %d: HTTP %d, gRPC %d', (flag, asked, status, grpcStatus) => {
  expect(replyStatus(fault(flag, asked))).toBe(status);
  expect(replyGrpcStatus(fault(flag, asked))).toBe(grpcStatus);
});

test('text for who would rather have it, JSON for all others', () => {
  const text = localReply(fault('UH'), get('/', HeaderFields.of(['Accept', 'text/html'])), context);
  expect(text.head.fields.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(text.body!.toString()).toBe(
    'It failed. [flag UH, some_details, service orders.shop, rule shop/orders#rule-0, request id-1]\n',
  );
  const json = localReply(fault('UO'), get('/'), context);
  expect(json.head.fields.pairs()).toEqual([
    ['content-length', String(json.body!.length)],
    ['content-type', 'application/json'],
    ['date', 'Mon, 23 Nov 2026 18:00:00 GMT'],
    ['server', 'outrigger'],
    ['x-request-id', 'id-1'],
    ['x-envoy-overloaded', 'true'],
  ]);
});

test("grpc-message is percent-encoded, and the reply is only its head (gRPC over HTTP/2, 'Responses')", () => {
  const reply = localReply(fault('UH', 0, '100 % of hosts are ü.'), get('/'), { ...context, grpc: true });
  expect(reply.body).toBe(null);
  expect(reply.head.status).toBe(200);
  expect(reply.head.fields.get('grpc-message')).toBe(
    '100 %25 of hosts are %C3%BC. [flag UH, some_details, rule shop/orders#rule-0]',
  );
});
