/**
 * Places services from left to right, callers before whom they call: the same mesh gives the same picture every time, and one more service moves few others, which a layout by forces does not. Few steps, so that 200 services
 * take milliseconds. Pure.
 */

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Between centres, in units of the drawing. */
export const columnWidth = 345;
export const rowHeight = 92;
/** A layer of more goes on in a column beside. */
const maxRows = 14;
const sweeps = 6;

export function layeredLayout(
  ids: readonly string[],
  edges: ReadonlyArray<{ readonly source: string; readonly target: string }>,
): Map<string, Place> {
  const known = new Set(ids);
  const links = edges.filter(({ source, target }) => source !== target && known.has(source) && known.has(target));
  const callees = Map.groupBy(links, ({ source }) => source);
  const callers = Map.groupBy(links, ({ target }) => target);
  const layers = layersOf(ids, callees, callers);
  orderRows(layers, callees, callers);
  const places = new Map<string, Place>();
  let column = 0;
  for (const layer of layers) {
    const columns = Math.ceil(layer.length / maxRows);
    const rows = Math.ceil(layer.length / columns);
    layer.forEach((id, at) => {
      const inColumn = Math.min(rows, layer.length - Math.floor(at / rows) * rows);
      places.set(id, {
        x: (column + Math.floor(at / rows)) * columnWidth,
        y: ((at % rows) - (inColumn - 1) / 2) * rowHeight,
      });
    });
    column += columns;
  }
  return places;
}

type Links = ReadonlyMap<string, ReadonlyArray<{ readonly source: string; readonly target: string }>>;

/** By the shortest way from a service that nobody calls; of a circle that nobody calls from outside, from the one that calls most. */
function layersOf(ids: readonly string[], callees: Links, callers: Links): string[][] {
  const sorted = ids.toSorted();
  const depth = new Map<string, number>();
  const spread = (roots: readonly string[]): void => {
    for (const root of roots) depth.set(root, 0);
    for (let queue = [...roots]; queue.length > 0; ) {
      const next: string[] = [];
      for (const id of queue)
        for (const { target } of callees.get(id) ?? [])
          if (!depth.has(target)) {
            depth.set(target, depth.get(id)! + 1);
            next.push(target);
          }
      queue = next;
    }
  };
  spread(sorted.filter((id) => !callers.has(id) && callees.has(id)));
  for (;;) {
    const left = sorted.filter((id) => !depth.has(id) && callees.has(id));
    if (left.length === 0) break;
    const most = left.reduce((a, b) => (callees.get(b)!.length > callees.get(a)!.length ? b : a));
    spread([most]);
  }
  const layers: string[][] = [];
  for (const id of sorted) {
    const at = depth.get(id);
    if (at !== undefined) (layers[at] ??= []).push(id);
  }
  // Those that have nothing to do with anybody stand last.
  const alone = sorted.filter((id) => !depth.has(id));
  return alone.length === 0 ? layers : [...layers, alone];
}

/** Each beside the middle of its neighbours, to and fro. */
function orderRows(layers: string[][], callees: Links, callers: Links): void {
  const row = new Map<string, number>();
  const note = (layer: readonly string[]): void => layer.forEach((id, at) => row.set(id, at - (layer.length - 1) / 2));
  layers.forEach(note);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : layers.toReversed()) {
      const weight = new Map(
        layer.map((id) => {
          const beside = down
            ? (callers.get(id) ?? []).map(({ source }) => row.get(source)!)
            : (callees.get(id) ?? []).map(({ target }) => row.get(target)!);
          const middle = beside.length === 0 ? row.get(id)! : beside.reduce((a, b) => a + b, 0) / beside.length;
          return [id, middle];
        }),
      );
      layer.sort((a, b) => weight.get(a)! - weight.get(b)! || (a < b ? -1 : 1));
      note(layer);
    }
  }
}
