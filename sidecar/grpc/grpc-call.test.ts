import { afterEach, describe, expect, it } from 'vitest';
import { GrpcCall, type GrpcStatus } from './grpc-call.ts';
import { GrpcPeer, type PeerHandler } from './test/grpc-peer.ts';

let peer: GrpcPeer | null = null;

afterEach(async () => {
  await peer?.close();
  peer = null;
});

interface Outcome {
  readonly messages: string[];
  readonly status: GrpcStatus;
}

class RecordedCall {
  readonly messages: string[] = [];
  readonly call: GrpcCall;
  readonly ended: Promise<Outcome>;
  onFirst: () => void = () => {};

  constructor(to: GrpcPeer, options: { readonly maxMessageBytes?: number } = {}) {
    let resolve: (outcome: Outcome) => void = () => {};
    this.ended = new Promise((done) => {
      resolve = done;
    });
    const cluster = to.clusters.cluster('xds')!;
    this.call = new GrpcCall(
      {
        cluster,
        path: '/test.Service/Method',
        authority: 'xds',
        metadata: [['x-tenant', 'blue']],
        maxMessageBytes: options.maxMessageBytes ?? 1024,
      },
      {
        onMessage: (message) => {
          this.messages.push(message.toString());
          if (this.messages.length === 1) this.onFirst();
        },
        onEnd: (status) => resolve({ messages: this.messages, status }),
      },
    );
  }
}

async function unary(handler: PeerHandler, options: { readonly maxMessageBytes?: number } = {}): Promise<Outcome> {
  peer = await GrpcPeer.start(handler);
  const recorded = new RecordedCall(peer, options);
  recorded.call.send(Buffer.from('hello'));
  recorded.call.halfClose();
  recorded.call.start();
  return recorded.ended;
}

describe("the sidecar's own gRPC calls", () => {
  it('sends a message and takes answer and status, over a real HTTP/2 server', async () => {
    const { messages, status } = await unary({
      onMessage: (call, message) => call.send(Buffer.from(`${message.toString()} back`)),
      onHalfClose: (call) => call.end(0),
    });
    expect(messages).toEqual(['hello back']);
    expect(status).toEqual({ code: 0, message: '' });
    const [call] = peer!.calls;
    expect(call!.path).toBe('/test.Service/Method');
    expect(call!.headers).toMatchObject({
      ':method': 'POST',
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-tenant': 'blue',
    });
  });

  it('takes a status that comes in the head (trailers-only), with its message decoded', async () => {
    const { status } = await unary({ onHalfClose: (call) => call.end(5, 'no lease «7»') });
    expect(status).toEqual({ code: 5, message: 'no lease «7»' });
  });

  it('says so when the answer is not gRPC', async () => {
    const { status } = await unary({
      onCall: (call) => call.stream.respond({ ':status': 404, 'content-type': 'text/html' }, { endStream: true }),
    });
    expect(status.code).not.toBe(0);
    expect(status.message).toContain('HTTP 404');
  });

  it('does not take an empty grpc-status for OK', async () => {
    const { status } = await unary({
      onCall: (call) =>
        call.stream.respond(
          { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '' },
          { endStream: true },
        ),
    });
    expect(status.code).toBe(2);
  });

  it('hears once when its connection gets a successor, and goes on', async () => {
    peer = await GrpcPeer.start({
      onMessage: (call, message) => call.send(message),
      onHalfClose: (call) => call.end(0),
    });
    const { clusters } = peer;
    let drained = 0;
    const ended = new Promise<GrpcStatus>((resolve) => {
      const call = new GrpcCall(
        { cluster: clusters.cluster('xds')!, path: '/a/b', authority: 'xds', metadata: [], maxMessageBytes: 1024 },
        {
          onMessage: () => clusters.renewConnections('xds'),
          onDraining: () => {
            drained++;
            call.halfClose();
          },
          onEnd: resolve,
        },
      );
      call.send(Buffer.from('hello'));
      call.start();
    });
    expect(await ended).toEqual({ code: 0, message: '' });
    expect(drained).toBe(1);
  });

  it('ends with UNAVAILABLE when the connection breaks', async () => {
    const { status } = await unary({ onMessage: () => peer!.breakConnections() });
    expect(status.code).toBe(14);
  });

  it('ends with UNAVAILABLE when nothing listens, and words that fit into a line (no full stop)', async () => {
    peer = await GrpcPeer.start({});
    const { port } = peer;
    await peer.close();
    peer = await GrpcPeer.start({});
    peer.apply(port);
    const recorded = new RecordedCall(peer);
    recorded.call.start();
    expect((await recorded.ended).status).toEqual({
      code: 14,
      message: `No connection to the service: 127.0.0.1:${port}: connection refused`,
    });
  });

  it('refuses a message over its limit and ends the call', async () => {
    const { status, messages } = await unary(
      { onHalfClose: (call) => call.send(Buffer.alloc(200)) },
      { maxMessageBytes: 100 },
    );
    expect(messages).toEqual([]);
    expect(status.message).toContain('the limit is 100');
  });

  it('keeps a stream open both ways, and gives it up on cancel without an end for its owner', async () => {
    let aborted: () => void = () => {};
    const cancelled = new Promise<void>((resolve) => {
      aborted = resolve;
    });
    peer = await GrpcPeer.start({ onMessage: (call, message) => call.send(message), onCancel: () => aborted() });
    const recorded = new RecordedCall(peer);
    const first = new Promise<void>((resolve) => {
      recorded.onFirst = resolve;
    });
    recorded.call.send(Buffer.from('one'));
    recorded.call.start();
    await first;
    expect(peer.gauge('upstream_rq_active')).toBe(1);
    recorded.call.cancel();
    await cancelled;
    expect(recorded.messages).toEqual(['one']);
    expect(peer.gauge('upstream_rq_active')).toBe(0);
  });

  it('asks for nothing when it was cancelled before it began', async () => {
    peer = await GrpcPeer.start({});
    const recorded = new RecordedCall(peer);
    recorded.call.cancel();
    recorded.call.start();
    expect(peer.gauge('upstream_rq_active') + peer.gauge('upstream_rq_pending_active')).toBe(0);
    expect(peer.counter('upstream_rq_total') + peer.counter('upstream_rq_pending_total')).toBe(0);
  });

  it("gives its place among the cluster's requests back however it ends", async () => {
    await unary({ onHalfClose: (call) => call.end(0) });
    expect(peer!.gauge('upstream_rq_active')).toBe(0);
    expect(peer!.counter('upstream_rq_200')).toBe(1);
    await peer!.close();
    await unary({ onMessage: () => peer!.breakConnections() });
    expect(peer!.gauge('upstream_rq_active')).toBe(0);
  });

  it('ends with INTERNAL when its owner fails at a message, and leaves the process alone', async () => {
    peer = await GrpcPeer.start({ onMessage: (call, message) => call.send(message) });
    const recorded = new RecordedCall(peer);
    recorded.onFirst = () => {
      throw new Error('the owner cannot read it');
    };
    recorded.call.send(Buffer.from('one'));
    recorded.call.start();
    expect((await recorded.ended).status).toEqual({ code: 13, message: 'the owner cannot read it' });
    expect(peer.gauge('upstream_rq_active')).toBe(0);
  });

  it('tells an owner that fails at the end of a call once more, as INTERNAL, and leaves the process alone', async () => {
    peer = await GrpcPeer.start({ onHalfClose: (call) => call.end(0) });
    const cluster = peer.clusters.cluster('xds')!;
    const told: GrpcStatus[] = [];
    await new Promise<void>((resolve) => {
      const call = new GrpcCall(
        { cluster, path: '/test.Service/Method', authority: 'xds', metadata: [], maxMessageBytes: 1024 },
        {
          onMessage: () => {},
          onEnd: (status) => {
            told.push(status);
            if (told.length === 2) resolve();
            throw new Error('the owner cannot use it');
          },
        },
      );
      call.halfClose();
      call.start();
    });
    expect(told).toEqual([
      { code: 0, message: '' },
      { code: 13, message: 'the answer could not be used: the owner cannot use it' },
    ]);
  });
});
