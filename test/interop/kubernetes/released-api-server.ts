/** In front of kube-apiserver: says the version that it was built from. One that is built from Go modules says v0.0.0, which helm does not take for what a chart wants. All else goes through as it is, as from who has the token. */
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';

export class ReleasedApiServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(url: string, ca: string, token: string, gitVersion: string): Promise<ReleasedApiServer> {
    const [, major, minor] = /^v(\d+)\.(\d+)/.exec(gitVersion)!;
    const server = createServer((incoming, answer) => {
      if (incoming.url?.split('?', 1)[0] === '/version') {
        answer.setHeader('content-type', 'application/json');
        answer.end(JSON.stringify({ major, minor, gitVersion, goVersion: '', platform: '' }));
        return;
      }
      const { method = 'GET' } = incoming;
      // Kubernetes' clients show nobody a token without TLS.
      const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
      const call = request(`${url}${incoming.url}`, { method, headers, ca, agent: false }, (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      });
      call.on('error', () => answer.destroy());
      incoming.pipe(call);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ReleasedApiServer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
