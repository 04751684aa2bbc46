/** Changing something by the admin port of a whole control plane: who may, and what answers who may not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MeshDoors } from '../door/mesh-doors.test-data.ts';

let doors: MeshDoors;
beforeAll(async () => {
  doors = await MeshDoors.start();
});
afterAll(() => doors.stop());

const path = '/api/v1/tokens';
const body = { services: ['shop/orders'] };

describe('the admin port', () => {
  it('changes something for who shows the local token, and keeps the secret to itself', async () => {
    const made = await doors.admin('POST', path, {
      services: ['shop/orders', 'shop/payments'],
      uses: 3,
      lifetimeMs: 60_000,
    });
    expect(made.status).toBe(200);
    const { id, token, usesLeft } = JSON.parse(made.text) as Record<string, unknown>;
    expect([usesLeft, String(token).startsWith(`ojt_${String(id)}_`)]).toEqual([3, true]);
    const list = await doors.admin('GET', path, undefined, { authorization: '' });
    expect(list.text).toContain(String(id));
    expect(list.text + doors.logged).not.toContain(String(token));
    expect((await doors.admin('POST', '/api/v1/tokens/revoke', { id })).status).toBe(200);
    expect(await doors.admin('POST', '/api/v1/tokens/revoke', { id })).toMatchObject({
      status: 400,
      text: expect.stringContaining('there is no join token'),
    });
  });

  it.each<readonly [string, number, Record<string, string>]>([
    ['no token', 401, { authorization: '' }],
    [
      'another token',
      401,
      { authorization: 'Bearer ojt_0000000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
    ],
    ['a form, as any web page can send', 415, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['text, as any web page can send', 415, { 'content-type': 'text/plain' }],
    ['a host name that leads here', 403, { host: 'evil.example:15014' }],
  ])('takes nothing from a request with %s', async (_, status, headers) => {
    const before = (await doors.admin('GET', path)).text;
    expect((await doors.admin('POST', path, body, headers)).status).toBe(status);
    expect((await doors.admin('GET', path)).text).toBe(before);
  });

  it.each<readonly [string, string, unknown, number, string]>([
    ['what there is not', '/api/v1/services', {}, 404, 'nothing can be changed at'],
    ['no services', path, {}, 400, 'services: a list'],
    ['a name that is none', path, { services: ['shop/orders/x'] }, 400, 'is not NAMESPACE/ACCOUNT'],
    ['the control plane itself', path, { services: ['outrigger/control-plane'] }, 409, 'own identity'],
    ['no uses', path, { ...body, uses: 0 }, 409, 'is good for 1 to'],
    ['a list', path, [], 400, 'not a JSON object'],
    ['too much', path, { services: ['x'.repeat(70_000)] }, 400, 'longer than'],
    [
      'to force a rotation that is not under way',
      '/api/v1/authority/rotate',
      { force: true },
      409,
      'no rotation is under way',
    ],
  ])('refuses %s', async (_, where, sent, status, words) => {
    expect(await doors.admin('POST', where, sent)).toMatchObject({ status, text: expect.stringContaining(words) });
  });

  it('tells nothing to a page whose host name was made to lead here (DNS rebinding)', async () => {
    for (const host of ['evil.example:15014', 'localhost.evil.example', '127.0.0.1.evil.example'])
      expect(await doors.admin('GET', path, undefined, { host })).toMatchObject({
        status: 403,
        text: expect.stringContaining('is not an address of this admin port'),
      });
    for (const host of ['LOCALHOST', '127.0.0.1:1', '[::1]:15014'])
      expect((await doors.admin('GET', path, undefined, { host })).status).toBe(200);
  });

  it('takes no other methods', async () => {
    expect((await doors.admin('PUT', path, body)).status).toBe(405);
  });
});
