/** PostgreSQL and Redis as they are, on a host of an {@link InterceptedMesh}: real servers and their real clients. PostgreSQL runs as `nobody`, as it refuses to run as root. */
import { appendFileSync, cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { InterceptedHost, Output } from './intercepted-mesh.ts';
import { peer, type Stage } from './programs.ts';

const asNobody = ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups'];

export class Databases {
  readonly #stage: Stage;
  /** Folders of the programs: those of a cache are copied to where another user may go. */
  readonly #postgres: string;
  readonly #redis: string;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#postgres = this.#reachable();
    this.#redis = dirname(peer('redis-server'));
  }

  /** On port 5432, any address, anybody by `trust`. */
  async startPostgres(host: InterceptedHost): Promise<void> {
    const template = join(this.#stage.folder, 'postgres');
    if (!existsSync(template)) {
      mkdirSync(template);
      await host.output(['chown', 'nobody:nogroup', template]);
      await host.output([
        ...asNobody,
        ...[join(this.#postgres, 'initdb'), '-D', join(template, 'data'), '-A', 'trust', '-U', 'mesh'],
        ...['--no-locale', '-E', 'UTF8', '--no-sync', '--no-instructions'],
      ]);
      appendFileSync(join(template, 'data', 'pg_hba.conf'), 'host all all all trust\n');
    }
    const folder = `${template}-${host.name}`;
    await host.output(['cp', '-a', template, folder]);
    const settings = ['fsync=off', 'unix_socket_directories=', 'listen_addresses=*', 'shared_buffers=16MB'];
    await host
      .program('postgres', [
        ...asNobody,
        ...[join(this.#postgres, 'postgres'), '-D', join(folder, 'data')],
        ...settings.flatMap((setting) => ['-c', setting]),
      ])
      .line(/ready to accept connections/);
  }

  psql(from: InterceptedHost, host: string, query: string): Promise<Output> {
    const connection = `host=${host} port=5432 user=mesh dbname=postgres connect_timeout=10 sslmode=disable gssencmode=disable`;
    return from.run([join(this.#postgres, 'psql'), connection, '-XAtc', query]);
  }

  /** On port 6379. */
  async startRedis(host: InterceptedHost): Promise<void> {
    const flags = ['--port', '6379', '--bind', '*', '--protected-mode', 'no', '--save', '', '--appendonly', 'no'];
    await host
      .program('redis', [join(this.#redis, 'redis-server'), ...flags, '--dir', this.#stage.folder])
      .line(/Ready to accept connections/);
  }

  redis(from: InterceptedHost, host: string, ...words: readonly string[]): Promise<Output> {
    return from.run(['timeout', '10', join(this.#redis, 'redis-cli'), '-h', host, ...words]);
  }

  #reachable(): string {
    const bin = dirname(realpathSync(peer('postgres')));
    const folder = dirname(bin);
    if (!existsSync(join(folder, 'root'))) return bin;
    const copy = join(this.#stage.folder, 'postgres-programs');
    cpSync(folder, copy, { recursive: true, verbatimSymlinks: true });
    return join(copy, 'bin');
  }
}
