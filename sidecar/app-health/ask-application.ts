/**
 * Makes one probe of the application, as the kubelet would: at 127.0.0.1, or, where nobody listens there, at the pod's own address. Not a health check of a cluster (cluster/health-check/): it has no thresholds and
 * no state, and what it finds is told to the kubelet.
 */
import { connect, type Socket } from 'node:net';
import { GrpcExchange } from '../cluster/health-check/grpc-exchange.ts';
import type { ClientConnection, ClientConnectionOwner, ClientStream, ResponseReceiver } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { defaultHttp2Limits, defaultHttpLimits } from '../codec/limits.ts';
import { RequestHead, type ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { noHeaderMutations } from '../config/route-config.ts';
import { Http1ClientConnection } from '../http1/client-connection.ts';
import { Http2ClientConnection } from '../http2/client-connection.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { AppProbe, HttpAppProbe } from './app-probe.ts';

export interface ProbeOutcome {
  readonly passed: boolean;
  /** For people; nothing that the application said. */
  readonly text: string;
}

export interface AskContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** '' when it is not known. */
  readonly podAddress: string;
  /** Of whoever asks. */
  readonly userAgent: string;
}

const loopback = '127.0.0.1';

export function askApplication(probe: AppProbe, context: AskContext): Promise<ProbeOutcome> {
  return new Promise((resolve) => new Ask(probe, context, resolve).begin(loopback));
}

/** What is asked over a connection, by the probe's protocol. */
interface Exchange {
  begin(): void;
  ask(stream: ClientStream): void;
  /** Null: nothing is decided yet. */
  onHead(head: ResponseHead, endStream: boolean): ProbeOutcome | null;
  onData(chunk: Buffer, endStream: boolean): ProbeOutcome | null;
  onTrailers(trailers: HeaderFields): ProbeOutcome;
}

class Ask implements TimerTarget, ClientConnectionOwner, ResponseReceiver {
  readonly #probe: AppProbe;
  readonly #context: AskContext;
  readonly #told: (outcome: ProbeOutcome) => void;
  readonly #timer: WheelTimer;
  #exchange: Exchange | null = null;
  #socket: Socket | null = null;
  #codec: ClientConnection | null = null;
  #over = false;

  constructor(probe: AppProbe, context: AskContext, told: (outcome: ProbeOutcome) => void) {
    this.#probe = probe;
    this.#context = context;
    this.#told = told;
    this.#timer = new WheelTimer(this);
    context.wheel.arm(this.#timer, probe.timeoutMs);
  }

  begin(host: string): void {
    const { port } = this.#probe;
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    const onError = ({ code, message }: NodeJS.ErrnoException): void =>
      this.#failed(host, code === 'ECONNREFUSED' ? `nobody listens on port ${port}` : message);
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      // What closes the connection from here on is its codec's, or TLS's, to tell.
      socket.on('error', () => {});
      // A port that the system gives to outgoing connections may be given to this very one, which then meets itself.
      if (socket.localPort === port && socket.localAddress === host)
        this.#failed(host, `nobody listens on port ${port}`);
      else void this.#connected(socket, host);
    });
  }

  onTimer(): void {
    this.#end({ passed: false, text: `no answer from port ${this.#probe.port} within ${this.#probe.timeoutMs} ms` });
  }

  /** Before there is a connection: who listens on one address only may do so on the pod's. */
  #failed(host: string, why: string): void {
    const { podAddress } = this.#context;
    this.#socket?.destroy();
    if (this.#over) return;
    if (host === loopback && podAddress !== '' && podAddress !== loopback) this.begin(podAddress);
    else this.#end({ passed: false, text: why });
  }

  async #connected(socket: Socket, host: string): Promise<void> {
    const probe = this.#probe;
    if (probe.kind === 'tcp') {
      this.#end({ passed: true, text: `port ${probe.port} takes connections` });
      return;
    }
    const { clock, wheel, podAddress } = this.#context;
    const authority = podAddress.includes(':') ? `[${podAddress}]` : podAddress || host;
    if (probe.kind === 'grpc') {
      this.#exchange = grpcExchange(probe.service, probe.timeoutMs, `${authority}:${probe.port}`);
      this.#codec = new Http2ClientConnection(socket, this, defaultHttpLimits, defaultHttp2Limits, {
        scheme: 'http',
        clock,
        wheel,
      });
      return;
    }
    this.#exchange = httpExchange(probe, `${authority}:${probe.port}`, this.#context.userAgent);
    const plain = probe.secure ? await this.#secured(socket) : socket;
    if (this.#over || plain === null) return;
    this.#codec = new Http1ClientConnection(plain, this, defaultHttpLimits);
    this.onReady();
  }

  /** Whoever it is: the kubelet asks no certificate's name either. Null: it came to nothing. */
  async #secured(socket: Socket): Promise<Socket | null> {
    const { connect: connectTls } = await import('node:tls');
    return new Promise((resolve) => {
      const secure = connectTls({ socket, rejectUnauthorized: false, minVersion: 'TLSv1.2' });
      this.#socket = secure;
      secure.once('secureConnect', () => resolve(secure));
      secure.once('error', (error) => {
        this.#end({ passed: false, text: `no TLS with port ${this.#probe.port}: ${error.message}` });
        resolve(null);
      });
      secure.once('close', () => resolve(null));
    });
  }

  onReady(): void {
    if (this.#over || this.#exchange === null) return;
    this.#exchange.begin();
    this.#exchange.ask(this.#codec!.newStream(this));
  }

  onStreamsAvailable(): void {
    // One is all that is asked for.
  }

  onDraining(): void {
    // What is asked goes on.
  }

  onClose(error: ProxyError | null): void {
    this.#end({ passed: false, text: error?.message ?? `port ${this.#probe.port} closed the connection` });
  }

  onInformational(): void {
    // Says nothing about the application.
  }

  onHead(head: ResponseHead, endStream: boolean): void {
    this.#decide(this.#exchange!.onHead(head, endStream));
  }

  onData(chunk: Buffer, endStream: boolean): void {
    this.#decide(this.#exchange!.onData(chunk, endStream));
  }

  onTrailers(trailers: HeaderFields): void {
    this.#decide(this.#exchange!.onTrailers(trailers));
  }

  onReset(error: ProxyError): void {
    this.#end({ passed: false, text: error.message });
  }

  onWriteBlocked(): void {
    // A few bytes are all that is sent.
  }

  onWriteReady(): void {
    // See onWriteBlocked.
  }

  #decide(outcome: ProbeOutcome | null): void {
    if (outcome !== null) this.#end(outcome);
  }

  #end(outcome: ProbeOutcome): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.wheel.disarm(this.#timer);
    this.#told(outcome);
    // Not from inside of an event of the codec's.
    queueMicrotask(() => {
      if (this.#codec === null) this.#socket?.destroy();
      else this.#codec.destroy(over);
    });
  }
}

const over = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'app_probe_over',
  message: 'The probe of the application is over.',
  http2Code: 8,
});

/** Passed by the kubelet's rule: from 200 to 399; a redirect is not followed. The body is not read. */
function httpExchange({ path, headers, secure }: HttpAppProbe, address: string, userAgent: string): Exchange {
  return {
    begin: () => {},
    ask: (stream) => {
      const authority = headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? address;
      const fields = HeaderFields.of(
        ['host', authority],
        ['user-agent', userAgent],
        ['accept', '*/*'],
        ['connection', 'close'],
      );
      for (const [name, value] of headers)
        if (name.toLowerCase() !== 'host') fields.set(headerName(name), Buffer.from(value).toString('latin1'));
      stream.sendHead(new RequestHead('GET', secure ? 'https' : 'http', authority, path, '1.1', fields), true);
    },
    onHead: ({ status }) => ({ passed: status >= 200 && status < 400, text: `the application answered ${status}` }),
    onData: () => null,
    onTrailers: () => ({ passed: false, text: 'no answer' }),
  };
}

function grpcExchange(service: string, timeoutMs: number, authority: string): Exchange {
  const exchange = new GrpcExchange(
    { kind: 'grpc', serviceName: service, authority: '', metadata: noHeaderMutations },
    timeoutMs,
  );
  const outcome = (verdict: ReturnType<GrpcExchange['onHead']>): ProbeOutcome | null =>
    verdict === null
      ? null
      : { passed: verdict.passed, text: verdict.passed ? 'the application answered SERVING' : verdict.reason };
  return {
    begin: () => exchange.begin(),
    ask: (stream) => exchange.ask(stream, authority),
    onHead: (head, endStream) => outcome(exchange.onHead(head, endStream)),
    onData: (chunk, endStream) => outcome(exchange.onData(chunk, endStream)),
    onTrailers: (trailers) => outcome(exchange.onTrailers(trailers))!,
  };
}
