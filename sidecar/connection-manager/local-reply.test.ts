import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError, type ReplyExtras } from '../codec/proxy-error.ts';
import type { ResponseFlag } from '../codec/response-flag.ts';
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

describe('a reply that somebody else has a word in', () => {
  const refused = (reply: ReplyExtras, status = 401): ProxyError =>
    new ProxyError({ flag: 'UAEX', source: 'local', details: 'some_details', message: 'No.', status, reply });

  test('has its fields in place of our own, all of each name', () => {
    const fields = HeaderFields.of(['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['Content-Type', 'text/html']);
    const { head, body } = localReply(refused({ fields, body: Buffer.from('<p>') }), get('/'), context);
    expect(head.fields.getAll('set-cookie')).toEqual(['a=1', 'b=2']);
    expect(head.fields.getAll('content-type')).toEqual(['text/html']);
    expect(head.fields.get('content-length')).toBe('3');
    expect(body!.toString()).toBe('<p>');
  });

  test('without a word has none, and no type', () => {
    const { head, body } = localReply(refused({ body: Buffer.alloc(0) }), get('/'), context);
    expect(body).toBeNull();
    expect(head.fields.get('content-length')).toBe('0');
    expect(head.fields.has('content-type')).toBe(false);
  });

  test.each([204, 304])('%d has no body and no length (RFC 9110 6.4.1)', (status) => {
    const { head, body } = localReply(refused({ body: Buffer.from('text') }, status), get('/'), context);
    expect(body).toBeNull();
    expect(head.fields.has('content-length')).toBe(false);
  });

  test('is told to a gRPC caller in its message, and its fields beside it', () => {
    const fields = HeaderFields.of(['www-authenticate', 'Bearer']);
    const { head } = localReply(refused({ fields, body: Buffer.from('nö') }), get('/'), { ...context, grpc: true });
    expect(head.fields.get('grpc-message')).toBe('n%C3%B6');
    expect(head.fields.get('grpc-status')).toBe('16');
    expect(head.fields.get('www-authenticate')).toBe('Bearer');
  });
});
