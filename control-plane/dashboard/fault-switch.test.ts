import { describe, expect, it } from 'vitest';
import { parseFile } from '../source/parse-file.ts';
import { switchFaultText } from './fault-switch.ts';

const nowMs = Date.parse('2026-11-29T05:00:00.123Z');
const head = `# Chaos of Tuesday.
apiVersion: outrigger.dev/v1
kind: FaultPolicy
metadata: { name: slow, namespace: shop }   # of orders
`;
const block = `${head}spec:
  targetRefs: [{ kind: Service, name: orders }]
  # Half of them.
  faults:
    - delay: { duration: 1s, percent: 50 }
`;
const flow = `${head}spec: { targetRefs: [{ kind: Service, name: orders }], faults: [{ delay: { duration: 1s } }] }\n`;

describe('switching a FaultPolicy in its text', () => {
  it.each([
    ['block', block],
    ['flow', flow],
  ])('off puts an end of now before the rest, and on takes it away again (%s)', (_, text) => {
    const off = switchFaultText(text, 'shop/slow', false, nowMs)!;
    expect(off).toContain('until: "2026-11-29T05:00:00Z"');
    const { resources, faults } = parseFile('f.yaml', off);
    expect(faults).toEqual([]);
    expect(resources[0]).toMatchObject({ untilMs: Date.parse('2026-11-29T05:00:00Z') });
    expect(switchFaultText(off, 'shop/slow', true, nowMs)).toBe(text);
  });

  it.each([
    ['an end in the future, last', `${block}  until: 2030-01-01T00:00:00Z # later\n`],
    ['a time to last, first', block.replace('spec:\n', 'spec:\n  for: 10m\n')],
    ['a time to last, without a line end', `${block}  for: 10m`],
    ['an end between braces', flow.replace('spec: {', 'spec: { until: "2030-01-01T00:00:00Z",')],
    ['an end between braces, last', flow.replace('] }\n', '], until: "2030-01-01T00:00:00Z" }\n')],
  ])('off takes the place of %s', (_, text) => {
    const off = switchFaultText(text, 'shop/slow', false, nowMs)!;
    const { resources, faults } = parseFile('f.yaml', off);
    expect(faults).toEqual([]);
    expect(resources[0]).toMatchObject({ untilMs: Date.parse('2026-11-29T05:00:00Z'), forMs: null });
    expect(off).toContain('# of orders');
  });

  it('touches no other document of the file', () => {
    const other = block.replace('name: slow', 'name: other');
    expect(switchFaultText(`${other}---\n${block}`, 'shop/slow', false, nowMs)).toBe(
      `${other}---\n${switchFaultText(block, 'shop/slow', false, nowMs)}`,
    );
  });

  it('knows nothing of what is not there, of another kind, or broken', () => {
    expect(switchFaultText(block, 'shop/fast', false, nowMs)).toBe(null);
    expect(switchFaultText(block.replace('FaultPolicy', 'Service'), 'shop/slow', false, nowMs)).toBe(null);
    expect(switchFaultText(`${block}  }`, 'shop/slow', false, nowMs)).toBe(null);
    expect(switchFaultText('- 1\n', 'shop/slow', false, nowMs)).toBe(null);
  });
});
