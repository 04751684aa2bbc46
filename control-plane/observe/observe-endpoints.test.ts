import { expect, test } from 'vitest';
import type { LiveFigures } from './live-figures.ts';
import type { MeshTap } from './mesh-tap.ts';
import { ObserveEndpoints } from './observe-endpoints.ts';
import { ObserveHub } from './observe-hub.ts';

test('a tap of a mesh without sidecars says so, once, whatever it is for', () => {
  const endpoints = new ObserveEndpoints({
    hub: new ObserveHub(() => () => {}),
    figures: null as unknown as LiveFigures,
    fullName: (name) => name,
    services: () => ['shop/orders'],
    placeOf: () => '',
  });
  const lines: string[] = [];
  const tap = endpoints.tap(new URLSearchParams('source=shop/orders'), () => ({
    write: (line) => lines.push(line) > 0,
    end: () => {},
  }));
  expect(lines).toEqual(['{"note":"no sidecar is connected: outrigger status shows those that are"}\n']);
  (tap as MeshTap).stop();
});
