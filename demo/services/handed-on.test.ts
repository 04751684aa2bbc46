import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { handOn } from './handed-on.ts';

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('the context of an HTTP request goes on in a call by gRPC, and nothing else of it', () => {
  const headers: Record<string, string> = { traceparent, 'x-request-id': 'a', cookie: 'secret' };
  const metadata = new Metadata();
  handOn(
    (name) => headers[name],
    (name, value) => metadata.set(name, value),
  );
  expect(metadata.getMap()).toEqual({ traceparent, 'x-request-id': 'a' });
});

test('the context of a gRPC call goes on in an HTTP request', () => {
  const metadata = new Metadata();
  metadata.set('traceparent', traceparent);
  metadata.set('tracestate', 'a=1');
  const headers: Record<string, string> = {};
  handOn(
    (name) => metadata.get(name)[0],
    (name, value) => (headers[name] = value),
  );
  expect(headers).toEqual({ traceparent, tracestate: 'a=1' });
});

test('the documentation shows the code of the demo', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/observability.md'), 'utf8');
  const code = (file: string, from: string): string => {
    const text = readFileSync(join(import.meta.dirname, file), 'utf8');
    const start = text.indexOf(from);
    return text.slice(start, text.indexOf('\n}\n', start) + 3);
  };
  expect(page).toContain(code('handed-on.ts', 'const fields'));
  expect(page).toContain(code('orders.ts', 'function contextOf'));
});
