/** Who runs in the demo shop, and on which ports. */

export interface ShopInstance {
  /** As the start-up lines and `kill` name it. */
  readonly name: string;
  readonly service: string;
  readonly program: string;
  readonly appPort: number;
  readonly labels: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Fixed where people are told to look; 0 takes a free port. */
  readonly inboundPort: number;
}

/** Where a browser finds the shop: the storefront's inbound listener. */
export const storefrontPort = 8080;
export const controlPlanePort = 15010;
export const controlPlaneTlsPort = 15012;
export const controlPlaneAdminPort = 15014;

/** Its application starts before its sidecar, and must know where the calls go. */
export const storefrontOutboundPort = 18_080;

const firstAppPort = 18_081;

export const shop: readonly ShopInstance[] = [
  {
    name: 'storefront',
    service: 'shop/storefront',
    program: 'storefront.ts',
    appPort: firstAppPort,
    labels: 'app=storefront',
    environment: {},
    inboundPort: storefrontPort,
  },
  {
    name: 'orders',
    service: 'shop/orders',
    program: 'orders.ts',
    appPort: firstAppPort + 1,
    labels: 'app=orders',
    environment: {},
    inboundPort: 0,
  },
  {
    name: 'payments v1',
    service: 'shop/payments',
    program: 'payments.ts',
    appPort: firstAppPort + 2,
    labels: 'app=payments,version=v1',
    environment: { VERSION: 'v1' },
    inboundPort: 0,
  },
  {
    name: 'payments v1 b',
    service: 'shop/payments',
    program: 'payments.ts',
    appPort: firstAppPort + 5,
    labels: 'app=payments,version=v1',
    environment: { VERSION: 'v1' },
    inboundPort: 0,
  },
  {
    name: 'payments v2',
    service: 'shop/payments',
    program: 'payments.ts',
    appPort: firstAppPort + 3,
    labels: 'app=payments,version=v2',
    environment: { VERSION: 'v2' },
    inboundPort: 0,
  },
  {
    name: 'inventory',
    service: 'shop/inventory',
    program: 'inventory.ts',
    appPort: firstAppPort + 4,
    labels: 'app=inventory',
    environment: {},
    inboundPort: 0,
  },
];
