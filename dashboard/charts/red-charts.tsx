/** Rate, errors and duration of a service or an edge over the last minutes; the same as a table for who does not see charts. The drawing library comes when the first chart does. */
import { useEffect, useRef } from 'preact/hooks';
import type { HistoryAnswer, HistoryPoint } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { clockText, msText, rateText, shareText } from '../data/words.ts';
import { Fault, Loading } from '../shell/notices.tsx';
import { useTheme } from '../shell/theme.ts';
import type { LineChart } from './line-chart.ts';

interface ChartSpec {
  readonly title: string;
  readonly unit: string;
  /** The scale goes up to it at least: what is hardly anything is to look so. */
  readonly top: number;
  readonly lines: ReadonlyArray<{
    readonly label: string;
    readonly colour: string;
    readonly dash?: readonly number[];
    readonly value: (point: HistoryPoint) => number | null;
  }>;
}

const specs: readonly ChartSpec[] = [
  {
    title: 'Rate',
    unit: 'requests/s',
    top: 1,
    lines: [{ label: 'requests/s', colour: 'accent', value: (point) => point.requestsPerSecond }],
  },
  {
    title: 'Errors',
    unit: '%',
    top: 5,
    lines: [
      {
        label: '% failed',
        colour: 'failing',
        value: ({ requestsPerSecond, failuresPerSecond }) =>
          requestsPerSecond > 0 ? (failuresPerSecond / requestsPerSecond) * 100 : null,
      },
    ],
  },
  {
    title: 'Duration',
    unit: 'ms',
    top: 1,
    lines: [
      { label: 'p50', colour: 'accent', value: (point) => point.p50Ms },
      { label: 'p99', colour: 'degraded', dash: [6, 4], value: (point) => point.p99Ms },
    ],
  },
];

/** Of calls from one to the other, `namespace/service`; '' for all that call it, or all that it calls. */
export function RedCharts(props: { readonly source: string; readonly destination: string }) {
  const { source, destination } = props;
  const ends = Object.entries({ source, destination }).filter(([, name]) => name !== '');
  const query = new URLSearchParams([...ends, ['seconds', '900']]);
  const { data, fault } = usePoll<HistoryAnswer>(`edges/history?${query.toString()}`, 5_000);
  if (data === null) return fault === null ? <Loading /> : <Fault of={fault} what="history" />;
  if (data.points.length === 0) return <p class="empty">Nothing has passed in the last 15 minutes.</p>;
  const last = data.points.at(-1)!;
  return (
    <>
      <Fault of={fault} what="newer history" />
      <div class="charts">
        {specs.map((spec) => (
          <Chart key={spec.title} spec={spec} points={data.points} last={last} />
        ))}
      </div>
      <details>
        <summary>These figures as a table</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label="History">
          <table>
            <thead>
              <tr>
                <th scope="col">time</th>
                <th scope="col" class="number">
                  requests
                </th>
                <th scope="col" class="number">
                  failed
                </th>
                <th scope="col" class="number">
                  p50
                </th>
                <th scope="col" class="number">
                  p99
                </th>
              </tr>
            </thead>
            <tbody>
              {data.points
                .slice(-60)
                .toReversed()
                .map((point) => (
                  <tr key={point.at}>
                    <th scope="row">{clockText(point.at).slice(0, 8)}</th>
                    <td class="number">{rateText(point.requestsPerSecond)}</td>
                    <td class="number">{shareText(point.failuresPerSecond, point.requestsPerSecond)}</td>
                    <td class="number">{msText(point.p50Ms)}</td>
                    <td class="number">{msText(point.p99Ms)}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}

interface ChartProps {
  readonly spec: ChartSpec;
  readonly points: readonly HistoryPoint[];
  readonly last: HistoryPoint;
}

function Chart({ spec, points, last }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<LineChart | null>(null);
  const theme = useTheme();
  const data = [points.map(({ at }) => Date.parse(at) / 1_000), ...spec.lines.map(({ value }) => points.map(value))];
  const newest = useRef(data);
  newest.current = data;
  useEffect(() => {
    let gone = false;
    void import('./line-chart.ts').then(({ LineChart }) => {
      // The page may have been left before its code came.
      if (gone || place.current === null) return;
      drawn.current = new LineChart(place.current, spec.lines, spec.top);
      drawn.current.show(newest.current);
    });
    return () => {
      gone = true;
      drawn.current?.close();
      drawn.current = null;
    };
  }, [theme]);
  useEffect(() => drawn.current?.show(data));
  const now = spec.lines
    .map(({ label, value }) => {
      const figure = value(last);
      return `${label} ${figure === null ? '–' : figure.toFixed(figure < 10 ? 1 : 0)}`;
    })
    .join(', ');
  return (
    <figure>
      <figcaption>
        {spec.title} <span class="faint">{spec.unit}</span>
        <span class="now">{now}</span>
      </figcaption>
      <div ref={place} class="chart" role="img" aria-label={`${spec.title} over the last 15 minutes; now ${now}`} />
    </figure>
  );
}
