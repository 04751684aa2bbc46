import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ClientConnectionOwner, ResponseReceiver } from '../../sidecar/codec/codec.ts';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { RequestHead } from '../../sidecar/codec/message-head.ts';
import type { ProxyError } from '../../sidecar/codec/proxy-error.ts';
import { closedAfterStart } from '../../sidecar/http1/upstream-errors.ts';
import type { ConnectOwner } from '../../sidecar/transport/connect.ts';
import { connectTo, type Destination, SimulatedConnection } from './simulated-connection.ts';
import { SimulatedEndpoint } from './simulated-endpoint.ts';
import { failure, serviceSpec } from './test/specs.ts';
import { VirtualTime } from './virtual-time.ts';

const always = failure();

class Rig implements ConnectOwner, ClientConnectionOwner {
  readonly time = new VirtualTime();
  readonly log: string[] = [];
  readonly endpoint = new SimulatedEndpoint('payments-0', '10.1.0.0', serviceSpec({ queue: 10 }), {
    time: this.time,
    random: () => 0.5,
    counts: { received: 0, succeeded: 0, refused: 0, turnedAway: 0, inVain: 0 },
    calls: null,
  });
  readonly destination: Destination = { endpoint: this.endpoint, roundTripMs: 4, behindDoor: false };
  readonly protocol: 'http1' | 'http2';
  connection!: SimulatedConnection;

  constructor(protocol: 'http1' | 'http2' = 'http1') {
    this.protocol = protocol;
  }

  connect(timeoutMs = 1000, destination: Destination | undefined = this.destination): { cancel(): void } {
    const { time } = this;
    const target = {
      host: '10.1.0.0',
      port: 8080,
      tls: null,
      alpn: [],
      session: null,
      timeoutMs,
      clock: time,
      wheel: time.wheel,
    };
    return connectTo(time, destination, target, this);
  }

  connected(): this {
    this.connect();
    this.time.runUntil(4);
    return this;
  }

  #say(what: string): void {
    this.log.push(`${this.time.elapsedMs} ${what}`);
  }

  onConnected(socket: Socket): void {
    this.connection = new SimulatedConnection(this.protocol, socket, this, this.time);
    this.#say('connected');
  }

  onConnectFailed(_error: ProxyError, reason: string): void {
    this.#say(reason);
  }

  onSession(): void {}
  onReady(): void {
    this.#say('ready');
  }
  onStreamsAvailable(): void {
    this.#say('available');
  }
  onDraining(): void {
    this.#say('draining');
  }
  onClose(error: ProxyError | null): void {
    this.#say(error === null ? 'closed' : `closed ${error.flag}`);
  }

  ask(): ReturnType<SimulatedConnection['newStream']> {
    const say = (what: string): void => this.#say(what);
    const receiver: ResponseReceiver = {
      onInformational: () => {},
      onHead: ({ status }, endStream) => say(`head ${status}${endStream ? ' end' : ''}`),
      onData: () => {},
      onTrailers: () => {},
      onReset: ({ flag, retry }) => say(`reset ${flag} ${retry}`),
      onWriteBlocked: () => {},
      onWriteReady: () => {},
    };
    const stream = this.connection.newStream(receiver);
    stream.sendHead(new RequestHead('GET', 'http', 'payments', '/', '1.1', new HeaderFields()), true);
    return stream;
  }
}

describe('the simulated network', () => {
  it('connects after a round trip, and carries a request there and its answer back in another', () => {
    const rig = new Rig().connected();
    rig.ask();
    expect(rig.connection.availableStreams()).toBe(0);
    rig.time.runUntil(100);
    expect(rig.log).toEqual(['4 connected', '18 head 200 end', '18 available']);
    expect(rig.connection.availableStreams()).toBe(1);
  });

  it('lets HTTP/2 take many streams, once it is ready', () => {
    const rig = new Rig('http2').connected();
    expect(rig.log).toEqual(['4 connected', '4 ready']);
    rig.ask();
    rig.ask();
    expect(rig.connection.availableStreams()).toBe(98);
    rig.time.runUntil(100);
    expect(rig.log.filter((line) => line.includes('head'))).toHaveLength(2);
  });

  it('answers nothing where the host is dead: a connect times out, a request stays without an answer', () => {
    const rig = new Rig().connected();
    rig.endpoint.begin({ ...always, dead: true });
    rig.ask();
    rig.connect(500);
    rig.time.runUntil(60_000);
    expect(rig.log).toEqual(['4 connected', '504 timeout']);
    expect(rig.connection.activeStreams).toBe(1);
  });

  it('loses an answer that a host had on its way when it died', () => {
    const rig = new Rig().connected();
    rig.ask();
    rig.time.runUntil(10);
    rig.endpoint.begin({ ...always, dead: true });
    rig.time.runUntil(60_000);
    expect(rig.log).toEqual(['4 connected']);
  });

  it('refuses connections where the process is gone, and cuts those that are there', () => {
    const rig = new Rig().connected();
    rig.ask();
    rig.endpoint.begin({ ...always, refuses: true });
    rig.connect();
    rig.time.runUntil(100);
    expect(rig.log).toEqual(['4 connected', '4 reset UC idempotent', '4 closed UC', '8 refused']);
    expect(rig.endpoint.connections.size).toBe(0);
  });

  it('is refused where nobody is, and tells nobody who gave the connection up', () => {
    const rig = new Rig();
    connectTo(
      rig.time,
      undefined,
      {
        host: '10.9.9.9',
        port: 1,
        tls: null,
        alpn: [],
        session: null,
        timeoutMs: 0,
        clock: rig.time,
        wheel: rig.time.wheel,
      },
      rig,
    );
    rig.connect().cancel();
    rig.time.runUntil(100);
    expect(rig.log).toEqual(['0 refused']);
  });

  it('closes an HTTP/1 connection whose request was given up, later, and keeps an HTTP/2 one', () => {
    for (const protocol of ['http1', 'http2'] as const) {
      const rig = new Rig(protocol).connected();
      const stream = rig.ask();
      rig.log.length = 0;
      stream.reset(closedAfterStart);
      expect(rig.log).toEqual([]);
      rig.time.runUntil(100);
      expect(rig.log).toEqual([protocol === 'http1' ? '4 closed' : '4 available']);
    }
  });

  it('closes behind the last stream when it is drained, at once when there is none', () => {
    const rig = new Rig().connected();
    rig.ask();
    rig.connection.drain();
    rig.time.runUntil(100);
    expect(rig.log.slice(1)).toEqual(['18 head 200 end', '18 closed']);
    const idle = new Rig().connected();
    idle.connection.drain();
    expect(idle.log.slice(1)).toEqual(['4 closed']);
  });
});
