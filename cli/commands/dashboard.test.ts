/** `outrigger dashboard` against the admin port of a whole control plane. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { MeshDoors } from '../../control-plane/door/mesh-doors.test-data.ts';
import { dashboard, dashboardUrl } from './dashboard.ts';

let doors: MeshDoors;
beforeAll(async () => {
  doors = await MeshDoors.start();
});
afterAll(() => doors.stop());

async function printed(options: Partial<Parameters<typeof dashboard>[0]>): Promise<{ out: string; err: string }> {
  const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const controlPlaneAdmin = `127.0.0.1:${doors.plane.adminPort}`;
    await dashboard({ controlPlaneAdmin, dataDir: doors.dataDir, token: true, ...options });
    return { out: out.mock.calls.join(''), err: err.mock.calls.join('') };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}

it('prints the address with the local token where no server sees it', async () => {
  const token = readFileSync(join(doors.dataDir, 'local-token'), 'utf8').trim();
  const { out, err } = await printed({});
  expect(out).toBe(`http://127.0.0.1:${doors.plane.adminPort}/#token=${token}\n`);
  expect(err).toBe('');
  expect(new URL(out.trim()).pathname).toBe('/');
});

it('prints it without, when asked to or where there is none', async () => {
  const bare = `http://127.0.0.1:${doors.plane.adminPort}/\n`;
  expect(await printed({ token: false })).toEqual({ out: bare, err: '' });
  expect(await printed({ dataDir: doors.folder })).toEqual({
    out: bare,
    err: expect.stringContaining('--data-dir'),
  });
});

it('says that no control plane is there, instead of an address that leads nowhere', async () => {
  await expect(printed({ controlPlaneAdmin: '127.0.0.1:1' })).rejects.toThrow('no control plane at 127.0.0.1:1');
});

it('an IPv6 address stands in brackets', () => {
  expect(dashboardUrl({ host: '::1', port: 15014 }, '')).toBe('http://[::1]:15014/');
});
