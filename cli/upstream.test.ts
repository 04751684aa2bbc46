import { describe, expect, test } from 'vitest';
import { parseUpstreams, upstreamEnvironment } from './upstream.ts';
import { UserError } from './user-error.ts';

const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).exitCode).toBe(2);
    expect((error as UserError).message).not.toContain('\n');
    return (error as UserError).message;
  }
  return 'not refused';
};

describe('--upstream', () => {
  test('takes a service and port, with or without namespace and local port', () => {
    expect(parseUpstreams(['office/desk:8080=9080', 'payments:80'], 'shop')).toEqual([
      { namespace: 'office', name: 'desk', port: 8080, localPort: 9080 },
      { namespace: 'shop', name: 'payments', port: 80, localPort: 0 },
    ]);
  });

  test.each([
    ['orders', 'is not NAMESPACE/NAME:PORT[=LOCALPORT]; write it as shop/orders:80'],
    ['', 'is not NAMESPACE/NAME:PORT[=LOCALPORT]'],
    ['a/b/c:80', 'is not NAMESPACE/NAME:PORT[=LOCALPORT]'],
    ['Orders:80', 'is not NAMESPACE/NAME:PORT[=LOCALPORT]'],
    ['orders:80:90', 'is not NAMESPACE/NAME:PORT[=LOCALPORT]'],
    ['orders:http', 'port: "http" is not a whole number from 1 to 65535'],
    ['orders:', 'port: "" is not a whole number from 1 to 65535'],
    ['orders:0', 'port: "0" is not a whole number from 1 to 65535'],
    ['orders:65536', 'port: "65536" is not a whole number from 1 to 65535'],
    ['orders:80=', 'local port: "" is not a whole number from 1 to 65535'],
    ['orders:80=99999', 'local port: "99999" is not a whole number from 1 to 65535'],
    ['orders:80=0', 'local port: "0" is not a whole number from 1 to 65535'],
  ])('refuses %j in one line', (text, message) => {
    expect(refusal(() => parseUpstreams([text], 'shop'))).toContain(message);
  });

  test('refuses a local port that two have, or the command has', () => {
    expect(refusal(() => parseUpstreams(['orders:80=9080', 'payments:80=9080'], 'shop'))).toBe(
      '--upstream payments:80=9080: local port 9080 is already that of --upstream shop/orders:80',
    );
    expect(refusal(() => parseUpstreams(['orders:80=8080'], 'shop', new Map([[8080, 'the command (--port)']])))).toBe(
      '--upstream orders:80=8080: local port 8080 is already that of the command (--port)',
    );
  });

  test('refuses a service that is given twice, with and without its namespace', () => {
    expect(refusal(() => parseUpstreams(['orders:80', 'shop/orders:80=9080'], 'shop'))).toBe(
      '--upstream: shop/orders:80 is given twice',
    );
  });
});

describe("the command's environment", () => {
  const environment = (...texts: string[]): Record<string, string> =>
    upstreamEnvironment(parseUpstreams(texts, 'shop'), ({ port }) => `127.0.0.1:${port + 10_000}`);

  test('has an address and a URL per service, NAME_NAMESPACE in upper case with underscores', () => {
    expect(environment('orders:80', 'back-office/price-list:81')).toEqual({
      ORDERS_SHOP_ADDRESS: '127.0.0.1:10080',
      ORDERS_SHOP_URL: 'http://127.0.0.1:10080',
      PRICE_LIST_BACK_OFFICE_ADDRESS: '127.0.0.1:10081',
      PRICE_LIST_BACK_OFFICE_URL: 'http://127.0.0.1:10081',
    });
  });

  test('has the port in the names too when several ports of a service are given; the first has the plain ones', () => {
    expect(environment('orders:80', 'orders:81')).toEqual({
      ORDERS_SHOP_ADDRESS: '127.0.0.1:10080',
      ORDERS_SHOP_URL: 'http://127.0.0.1:10080',
      ORDERS_SHOP_80_ADDRESS: '127.0.0.1:10080',
      ORDERS_SHOP_80_URL: 'http://127.0.0.1:10080',
      ORDERS_SHOP_81_ADDRESS: '127.0.0.1:10081',
      ORDERS_SHOP_81_URL: 'http://127.0.0.1:10081',
    });
  });

  test('refuses two services that would have one name', () => {
    expect(refusal(() => environment('c/a-b:80', 'b-c/a:80'))).toBe(
      "--upstream: c/a-b and b-c/a would both be A_B_C_ADDRESS in the command's environment; run can hand over only one of them",
    );
  });
});
