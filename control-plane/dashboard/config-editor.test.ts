/** Files of --config as the dashboard reads and changes them: what is done, and above all what is not. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ActionFault, StaleFault } from '../admin/admin-actions.ts';
import { MeshDoors } from '../door/mesh-doors.test-data.ts';
import { ConfigEditor } from './config-editor.ts';
import { EditHistory } from './edit-history.ts';

const good = `# The shop.
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: orders, namespace: shop }
spec: { ports: [{ name: http, port: 80, appProtocol: http }] }
`;

let folder: string;
let file: string;
let editor: ConfigEditor;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-editor-'));
  file = join(folder, 'mesh.yaml');
  writeFileSync(file, good);
  editor = open(file);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(path: string): ConfigEditor {
  return new ConfigEditor({
    paths: [path],
    history: new EditHistory(join(folder, 'history.json')),
    wallMs: () => Date.parse('2026-11-29T05:00:00Z'),
    log: pino({ level: 'silent' }),
  });
}

interface Answered {
  readonly status: number;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- the answers' shapes are what is tested
  readonly json: any;
}

/** As admin-actions.ts has it. */
function post(action: string, body: Readonly<Record<string, unknown>>): Answered {
  try {
    return { status: 200, text: '', json: editor.actions[`/api/v1/config/${action}`]!(body) };
  } catch (error) {
    if (error instanceof StaleFault) return { status: 409, text: error.message, json: null };
    if (error instanceof ActionFault) return { status: 400, text: error.message, json: null };
    throw error;
  }
}

const digestNow = (): string => post('read', { file }).json.digest;

const extra = `---
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: extra, namespace: shop }
spec: { ports: [{ name: http, port: 80, appProtocol: http }] }
`;
const edited = (): string => `${good.trimEnd()}\n${extra}`;

describe('configuration by the dashboard', () => {
  it('is listed by name and read by text', () => {
    expect(editor.files()).toEqual({
      files: [{ file, bytes: Buffer.byteLength(good), problem: '', changedHereAt: '' }],
    });
    expect(post('read', { file }).json).toEqual({ file, text: good, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  it('validates as the control plane does: file, line, column, field, and what is accepted', async () => {
    const { json } = post('validate', {
      file,
      text: `${good.trimEnd()}\n${extra.replace('port: 80', 'port: eighty')}`,
    });
    const line = good.trimEnd().split('\n').length + 5;
    expect(json.faults).toEqual([
      expect.objectContaining({
        file,
        line,
        path: 'spec.ports[0].port',
        text: expect.stringContaining(`${file}:${line}:`),
      }),
    ]);
    expect(post('validate', { file, text: 'a: [' }).json.faults[0].message).toContain('is not YAML');
    expect(post('validate', { file, text: `${good}\n---\n${good}` }).json.faults[0].message).toContain('stands at');
    expect(post('validate', { file, text: '' }).json.faults).toEqual([]);
  });

  it('tells the difference, applies, is in force, and takes it back, byte for byte', () => {
    chmodSync(file, 0o640);
    const digest = digestNow();
    const diff = post('diff', { file, text: edited() });
    expect(
      diff.json.hunks.at(-1).lines.filter(({ kind }: { kind: string }) => kind === 'added').length,
    ).toBeGreaterThan(3);
    expect(post('apply', { file, text: edited(), digest }).status).toBe(200);
    expect(readFileSync(file, 'utf8')).toBe(edited());
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(editor.files().files[0]!.changedHereAt).toBe('2026-11-29T05:00:00.000Z');
    expect(post('revert', { file }).json.text).toBe(good);
    expect(readFileSync(file, 'utf8')).toBe(good);
    expect(post('revert', { file })).toMatchObject({
      status: 400,
      text: expect.stringContaining('has not been changed from here'),
    });
  });

  it('takes a change back also after a restart', async () => {
    post('apply', { file, text: edited(), digest: digestNow() });
    editor = open(file);
    expect(post('revert', { file }).status).toBe(200);
    expect(readFileSync(file, 'utf8')).toBe(good);
  });

  it('writes nothing that has a fault', async () => {
    expect(post('apply', { file, text: 'kind: Service\n', digest: digestNow() })).toMatchObject({
      status: 400,
      text: expect.stringContaining(`${file}:1:1`),
    });
    expect(readFileSync(file, 'utf8')).toBe(good);
  });

  it('of two who change a file at once, the second is told, and writes nothing', async () => {
    const digest = digestNow();
    expect(post('apply', { file, text: edited(), digest }).status).toBe(200);
    expect(post('apply', { file, text: edited().replaceAll('extra', 'other'), digest })).toMatchObject({
      status: 409,
      text: expect.stringContaining('by somebody else'),
    });
    // An editor on the machine counts as well.
    writeFileSync(file, `# by hand\n${good}`);
    expect(post('revert', { file })).toMatchObject({
      status: 409,
      text: expect.stringContaining('by somebody else'),
    });
    expect(readFileSync(file, 'utf8')).toBe(`# by hand\n${good}`);
  });

  it('writes nothing where the file is gone, and keeps no change that did not happen', () => {
    const digest = digestNow();
    rmSync(file);
    expect(post('apply', { file, text: edited(), digest }).status).toBe(400);
    mkdirSync(file);
    expect(post('read', { file }).status).toBe(400);
    rmSync(file, { recursive: true });
    writeFileSync(file, good);
    expect(post('revert', { file }).status).toBe(400);
  });

  it.each([
    ['a path upwards', (folder: string) => `${folder}/../etc/passwd`],
    ['another spelling of a file', (folder: string) => `${folder}/./mesh.yaml`],
    ['a file that it does not read', (folder: string) => `${folder}/data/local-token`],
    ['an absolute path', () => '/etc/passwd'],
    ['a zero byte', (folder: string) => `${folder}/mesh.yaml\0.txt`],
    ['nothing', () => ''],
    ['a list', () => ['mesh.yaml']],
    ['a prototype', () => '__proto__'],
  ])('knows no file by %s', async (_, name) => {
    for (const action of ['read', 'validate', 'diff', 'apply', 'revert'])
      expect([action, post(action, { file: name(folder), text: good, digest: '' }).status]).toEqual([action, 400]);
  });

  it.each([
    ['too much', { text: 'x'.repeat(1024 * 1024 + 1) }, 'longer than'],
    ['no text', { text: 7 }, 'text:'],
    ['half a surrogate pair', { text: '\ud800' }, 'surrogate'],
  ])('refuses %s', async (_, body, words) => {
    expect(post('apply', { file, digest: digestNow(), ...body })).toMatchObject({
      status: 400,
      text: expect.stringContaining(words),
    });
    expect(readFileSync(file, 'utf8')).toBe(good);
  });
});

describe('links', () => {
  it('are followed where they are what --config names, and stay links', () => {
    mkdirSync(join(folder, 'real'));
    writeFileSync(join(folder, 'real/within.yaml'), extra);
    rmSync(file);
    symlinkSync('real/within.yaml', file);
    expect(post('apply', { file, text: extra.replace('extra', 'changed'), digest: digestNow() }).status).toBe(200);
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, 'real/within.yaml'), 'utf8')).toContain('changed');
  });

  it('within a folder are followed within it, as Kubernetes mounts a ConfigMap, and never out of it', () => {
    const config = join(folder, 'config');
    mkdirSync(join(config, '..data'), { recursive: true });
    writeFileSync(join(config, '..data/within.yaml'), extra);
    writeFileSync(join(folder, 'outside.yaml'), good);
    symlinkSync('..data/within.yaml', join(config, 'within.yaml'));
    symlinkSync(join(folder, 'outside.yaml'), join(config, 'out.yaml'));
    symlinkSync('/etc', join(config, 'etc'));
    editor = open(config);
    expect(post('read', { file: join(config, 'within.yaml') }).json.text).toBe(extra);
    const out = join(config, 'out.yaml');
    for (const action of ['read', 'diff', 'apply', 'revert'])
      expect([action, post(action, { file: out, text: '', digest: '' }).status]).toEqual([action, 400]);
    expect(editor.files().files.find((row) => row.file === out)!.problem).toContain('leads out of --config');
    expect(readFileSync(join(folder, 'outside.yaml'), 'utf8')).toBe(good);
  });
});

describe('by the admin port of a whole control plane', () => {
  it('needs the token for all but the names, and a change is in force at once', async () => {
    const doors = await MeshDoors.start();
    try {
      const name = join(doors.folder, 'mesh.yaml');
      const call = async (
        action: string,
        body: unknown,
        headers: Record<string, string> = {},
      ): Promise<[number, string]> => {
        const { status, text } = await doors.admin('POST', `/api/v1/config/${action}`, body, headers);
        return [status, text];
      };
      const { text } = await doors.admin('GET', '/api/v1/config/files', undefined, { authorization: '' });
      expect(JSON.parse(text)).toMatchObject({ files: [{ file: name, problem: '' }] });
      const before = readFileSync(name, 'utf8');
      for (const action of ['read', 'validate', 'diff', 'apply', 'revert', 'fault-switch'])
        expect((await call(action, { file: name, text: '', digest: '' }, { authorization: '' }))[0]).toBe(401);
      const { digest } = JSON.parse((await call('read', { file: name }))[1]) as { readonly digest: string };
      const huge = { file: name, digest, text: 'x'.repeat(4 * 1024 * 1024) };
      expect(await call('apply', huge)).toEqual([400, expect.stringContaining('longer than')]);
      expect((await call('apply', { file: name, digest, text: `${before.trimEnd()}\n${extra}` }))[0]).toBe(200);
      await vi.waitFor(async () => {
        await doors.hasten(Promise.resolve());
        doors.clock.leap(100);
        expect((await doors.admin('GET', '/api/v1/services')).text).toContain('extra');
      }, 5_000);
      expect((await call('revert', { file: name }))[0]).toBe(200);
      expect(readFileSync(name, 'utf8')).toBe(before);
      const page = await doors.admin('GET', '/api/v1/services', undefined, { 'sec-fetch-site': 'same-site' });
      expect(page).toMatchObject({ status: 403, text: expect.stringContaining('other sites') });
    } finally {
      await doors.stop();
    }
  });
});
