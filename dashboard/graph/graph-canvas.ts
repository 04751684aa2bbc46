/**
 * Draws the graph on a canvas, and lets it be moved, zoomed and walked through. Own drawing instead of a library: what costs is a path per edge, so edges that look alike are one path that is built when something moves and only stroked
 * in between; text is drawn where it can be read. What flows is drawn anew with every frame, lines and boxes only when something changes: in between they are pictures of themselves. What the graph says is graph-model.ts.
 */
import type { Health } from '../data/health.ts';
import type { Graph, GraphEdge, GraphNode } from './graph-model.ts';
import { layeredLayout, type Place } from './layered-layout.ts';

export interface GraphEvents {
  /** '' and null: nothing is. */
  readonly onSelect: (node: GraphNode | null, edge: GraphEdge | null) => void;
  readonly onOpen: (node: GraphNode | null, edge: GraphEdge | null) => void;
}

interface DrawnNode {
  node: GraphNode;
  x: number;
  y: number;
  /** Where it is going. */
  toX: number;
  toY: number;
  /** Somebody has put it there. */
  held: boolean;
  title: string;
}

interface DrawnEdge {
  edge: GraphEdge;
  readonly from: DrawnNode;
  readonly to: DrawnNode;
  /** Where a dot on it is, 0 to 1. */
  phase: number;
  /** Of the way in a second. */
  readonly speed: number;
  x1: number;
  y1: number;
  cx1: number;
  cy1: number;
  cx2: number;
  cy2: number;
  x2: number;
  y2: number;
}

const width = 190;
const height = 54;
const healths: readonly Health[] = ['idle', 'good', 'degraded', 'failing'];
/** Said by the line too: whole, dashed, dotted. */
const dashes: Readonly<Record<Health, readonly number[]>> = {
  good: [],
  idle: [1, 5],
  degraded: [10, 5],
  failing: [3, 4],
};
const minScale = 0.05;
const maxScale = 3;
/** Text is drawn from here on. */
const readableScale = 0.28;
const edgeTextScale = 0.62;

type Layer = CanvasRenderingContext2D;

export class GraphCanvas {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: Layer;
  /** Pictures of what stands behind what flows, and before it. */
  readonly #behind: Layer;
  readonly #before: Layer;
  /** They show what is to be seen now. */
  #pictured = false;
  readonly #events: GraphEvents;
  readonly #nodes = new Map<string, DrawnNode>();
  #edges: DrawnEdge[] = [];
  #shape = '';
  #scale = 1;
  #left = 0;
  #top = 0;
  /** Somebody has moved or zoomed the view: it stays as it is. */
  #chosenView = false;
  #selectedNode: DrawnNode | null = null;
  #selectedEdge: DrawnEdge | null = null;
  #colours: Readonly<Record<string, string>> = {};
  #still = false;
  #frame = 0;
  #lastMs = 0;
  #dirty = true;
  #moved = true;
  #lines = new Map<Health, Path2D>();
  #heads = new Map<Health, Path2D>();
  #boxes = new Map<Health, Path2D>();
  readonly #gone = new AbortController();
  readonly #sizes: ResizeObserver;

  constructor(canvas: HTMLCanvasElement, events: GraphEvents) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false })!;
    this.#behind = document.createElement('canvas').getContext('2d', { alpha: false })!;
    this.#before = document.createElement('canvas').getContext('2d')!;
    this.#events = events;
    this.#listen();
    this.#sizes = new ResizeObserver(() => this.#resize());
    this.#sizes.observe(canvas);
    this.recolour();
  }

  close(): void {
    this.#gone.abort();
    this.#sizes.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  /** Nothing moves by itself. */
  set still(still: boolean) {
    this.#still = still;
    this.#wake();
  }

  /** Colours are those of the page. */
  recolour(): void {
    const style = getComputedStyle(this.#canvas);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    this.#colours = Object.fromEntries(
      [...healths, 'text', 'faint', 'panel', 'accent', 'ground'].map((name) => [name, colour(name)]),
    );
    this.#wake();
  }

  show(graph: Graph): void {
    const shape = `${graph.nodes.map(({ id }) => id).join(' ')} | ${graph.edges.map(({ source, target }) => `${source}>${target}`).join(' ')}`;
    const ids = new Set(graph.nodes.map(({ id }) => id));
    for (const id of this.#nodes.keys()) if (!ids.has(id)) this.#nodes.delete(id);
    const places = shape === this.#shape ? null : layeredLayout([...ids], graph.edges);
    for (const node of graph.nodes) this.#place(node, places?.get(node.id) ?? null);
    const phases = new Map(this.#edges.map(({ edge, phase }) => [`${edge.source}>${edge.target}`, phase]));
    this.#edges = graph.edges.map((edge, at) => ({
      edge,
      from: this.#nodes.get(edge.source)!,
      to: this.#nodes.get(edge.target)!,
      speed: Math.min(1.2, 0.15 + Math.log10(1 + edge.requestsPerSecond) * 0.25),
      phase: phases.get(`${edge.source}>${edge.target}`) ?? (at * 0.37) % 1,
      ...{ x1: 0, y1: 0, cx1: 0, cy1: 0, cx2: 0, cy2: 0, x2: 0, y2: 0 },
    }));
    this.#shape = shape;
    const { edge } = this.#selectedEdge ?? {};
    this.#selectedEdge =
      this.#edges.find((each) => each.edge.source === edge?.source && each.edge.target === edge.target) ?? null;
    this.#selectedNode = this.#nodes.get(this.#selectedNode?.node.id ?? '\0') ?? null;
    this.#moved = true;
    if (!this.#chosenView && places !== null) this.#fitAll();
    this.#wake();
  }

  #place(node: GraphNode, place: Place | null): void {
    const known = this.#nodes.get(node.id);
    if (known === undefined) {
      const { x, y } = place ?? { x: 0, y: 0 };
      this.#nodes.set(node.id, { node, x, y, toX: x, toY: y, held: false, title: shortened(node.name) });
      return;
    }
    known.node = node;
    if (place === null || known.held) return;
    known.toX = place.x;
    known.toY = place.y;
  }

  /** All of it, as large as it goes; again with each change of what is there. */
  fit(): void {
    this.#chosenView = false;
    this.#fitAll();
  }

  #fitAll(): void {
    const nodes = [...this.#nodes.values()];
    const { clientWidth, clientHeight } = this.#canvas;
    if (nodes.length === 0 || clientWidth === 0) return;
    const xs = nodes.map(({ toX }) => toX);
    const ys = nodes.map(({ toY }) => toY);
    const [minX, maxX, minY, maxY] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const margin = 30;
    this.#scale = Math.max(
      minScale,
      Math.min(
        1.15,
        (clientWidth - margin) / (maxX - minX + width + margin),
        (clientHeight - margin) / (maxY - minY + height + margin),
      ),
    );
    this.#left = clientWidth / 2 - ((minX + maxX) / 2) * this.#scale;
    this.#top = clientHeight / 2 - ((minY + maxY) / 2) * this.#scale;
    this.#wake();
  }

  zoom(factor: number, x = this.#canvas.clientWidth / 2, y = this.#canvas.clientHeight / 2): void {
    this.#chosenView = true;
    const scale = Math.max(minScale, Math.min(maxScale, this.#scale * factor));
    const real = scale / this.#scale;
    this.#left = x - (x - this.#left) * real;
    this.#top = y - (y - this.#top) * real;
    this.#scale = scale;
    this.#wake();
  }

  /** '' : nothing. */
  select(id: string | null): void {
    this.#choose(id === null ? null : (this.#nodes.get(id) ?? null), null);
  }

  /** Where a service is on the canvas; null: it is not there. */
  whereIs(id: string): Place | null {
    const found = this.#nodes.get(id);
    return found === undefined ? null : { x: found.x * this.#scale + this.#left, y: found.y * this.#scale + this.#top };
  }

  #choose(node: DrawnNode | null, edge: DrawnEdge | null): void {
    this.#selectedNode = node;
    this.#selectedEdge = edge;
    this.#events.onSelect(node?.node ?? null, edge?.edge ?? null);
    this.#wake();
  }

  #listen(): void {
    const { signal } = this.#gone;
    let down: { x: number; y: number; node: DrawnNode | null; far: boolean } | null = null;
    const at = ({ clientX, clientY }: MouseEvent): Place => {
      const { left, top } = this.#canvas.getBoundingClientRect();
      return { x: clientX - left, y: clientY - top };
    };
    this.#canvas.addEventListener(
      'pointerdown',
      (event) => {
        if (event.button !== 0) return;
        const { x, y } = at(event);
        down = { x, y, node: this.#nodeAt(x, y), far: false };
        this.#canvas.setPointerCapture(event.pointerId);
      },
      { signal },
    );
    this.#canvas.addEventListener(
      'pointermove',
      (event) => {
        const { x, y } = at(event);
        if (down === null) {
          this.#canvas.style.cursor = this.#nodeAt(x, y) !== null || this.#edgeAt(x, y) !== null ? 'pointer' : 'grab';
          return;
        }
        const [byX, byY] = [x - down.x, y - down.y];
        if (!down.far && Math.hypot(byX, byY) < 4) return;
        down = { ...down, x, y, far: true };
        if (down.node === null) {
          this.#chosenView = true;
          this.#left += byX;
          this.#top += byY;
        } else {
          down.node.held = true;
          down.node.x = down.node.toX = down.node.x + byX / this.#scale;
          down.node.y = down.node.toY = down.node.y + byY / this.#scale;
          this.#moved = true;
        }
        this.#wake();
      },
      { signal },
    );
    const up = (event: PointerEvent): void => {
      if (down !== null && !down.far) {
        const { x, y } = at(event);
        this.#choose(down.node, down.node === null ? this.#edgeAt(x, y) : null);
      }
      down = null;
    };
    this.#canvas.addEventListener('pointerup', up, { signal });
    this.#canvas.addEventListener('pointercancel', () => (down = null), { signal });
    this.#canvas.addEventListener(
      'dblclick',
      (event) => {
        const { x, y } = at(event);
        const node = this.#nodeAt(x, y);
        const edge = node === null ? this.#edgeAt(x, y) : null;
        if (node !== null || edge !== null) this.#events.onOpen(node?.node ?? null, edge?.edge ?? null);
      },
      { signal },
    );
    this.#canvas.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        const { x, y } = at(event);
        this.zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), x, y);
      },
      { signal, passive: false },
    );
    this.#canvas.addEventListener('keydown', (event) => this.#key(event), { signal });
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps: Readonly<Record<string, Place>> = {
      ArrowLeft: { x: -1, y: 0 },
      ArrowRight: { x: 1, y: 0 },
      ArrowUp: { x: 0, y: -1 },
      ArrowDown: { x: 0, y: 1 },
    };
    const step = steps[event.key];
    if (step !== undefined) this.#walk(step);
    else if (event.key === 'Enter' && this.#selectedNode !== null) this.#events.onOpen(this.#selectedNode.node, null);
    else if (event.key === 'Enter' && this.#selectedEdge !== null) this.#events.onOpen(null, this.#selectedEdge.edge);
    else if (event.key === 'Escape') this.#choose(null, null);
    else if (event.key === '+' || event.key === '=') this.zoom(1.25);
    else if (event.key === '-') this.zoom(0.8);
    else if (event.key === '0') this.fit();
    else return;
    event.preventDefault();
  }

  /** To the nearest service in that direction; the first time to the first one. */
  #walk(step: Place): void {
    const nodes = [...this.#nodes.values()].toSorted((a, b) => a.x - b.x || a.y - b.y);
    const from = this.#selectedNode;
    let best: DrawnNode | null = from === null ? (nodes[0] ?? null) : null;
    let least = Infinity;
    for (const node of from === null ? [] : nodes) {
      const along = (node.x - from!.x) * step.x + (node.y - from!.y) * step.y;
      const beside = Math.abs((node.x - from!.x) * step.y) + Math.abs((node.y - from!.y) * step.x);
      if (along > 1 && along + beside * 2 < least) {
        least = along + beside * 2;
        best = node;
      }
    }
    if (best === null) return;
    this.#choose(best, null);
    const { x, y } = this.whereIs(best.node.id)!;
    const { clientWidth, clientHeight } = this.#canvas;
    if (x < 60 || x > clientWidth - 60) this.#left += clientWidth / 2 - x;
    if (y < 40 || y > clientHeight - 40) this.#top += clientHeight / 2 - y;
  }

  #nodeAt(x: number, y: number): DrawnNode | null {
    const [wx, wy] = [(x - this.#left) / this.#scale, (y - this.#top) / this.#scale];
    for (const node of [...this.#nodes.values()].toReversed())
      if (Math.abs(wx - node.x) <= width / 2 && Math.abs(wy - node.y) <= height / 2) return node;
    return null;
  }

  #edgeAt(x: number, y: number): DrawnEdge | null {
    const [wx, wy] = [(x - this.#left) / this.#scale, (y - this.#top) / this.#scale];
    const near = 7 / this.#scale;
    for (const edge of this.#edges) {
      if (
        wx < Math.min(edge.x1, edge.cx1, edge.cx2, edge.x2) - near ||
        wx > Math.max(edge.x1, edge.cx1, edge.cx2, edge.x2) + near
      )
        continue;
      for (let t = 0; t <= 1; t += 0.025)
        if (Math.hypot(along(edge, t, 'x') - wx, along(edge, t, 'y') - wy) < near) return edge;
    }
    return null;
  }

  #resize(): void {
    const ratio = Math.min(devicePixelRatio, 2);
    for (const { canvas } of [this.#context, this.#behind, this.#before]) {
      canvas.width = Math.round(this.#canvas.clientWidth * ratio);
      canvas.height = Math.round(this.#canvas.clientHeight * ratio);
    }
    if (!this.#chosenView) this.#fitAll();
    this.#wake();
  }

  #wake(): void {
    this.#dirty = true;
    if (this.#frame === 0) this.#frame = requestAnimationFrame((nowMs) => this.#draw(nowMs));
  }

  #draw(nowMs: number): void {
    this.#frame = 0;
    const passedMs = Math.min(100, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    const gliding = this.#glide(passedMs);
    const flowing = !this.#still && this.#edges.some(({ edge }) => edge.requestsPerSecond > 0);
    if (this.#moved) this.#buildPaths();
    if (this.#dirty || gliding) {
      this.#pictured = false;
      this.#paintBehind(this.#context);
      this.#paintFlow(flowing ? passedMs : 0, flowing);
      this.#paintBefore(this.#context);
    } else if (flowing) {
      this.#picture();
      const context = this.#context;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.drawImage(this.#behind.canvas, 0, 0);
      this.#look(context);
      this.#paintFlow(passedMs, flowing);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.drawImage(this.#before.canvas, 0, 0);
    }
    this.#dirty = false;
    if (gliding || flowing) this.#frame = requestAnimationFrame((next) => this.#draw(next));
  }

  #glide(passedMs: number): boolean {
    let gliding = false;
    const part = this.#still ? 1 : 1 - Math.exp(-passedMs / 90);
    for (const node of this.#nodes.values()) {
      const [byX, byY] = [node.toX - node.x, node.toY - node.y];
      if (byX === 0 && byY === 0) continue;
      const there = Math.abs(byX) + Math.abs(byY) < 0.5 || part === 1;
      node.x = there ? node.toX : node.x + byX * part;
      node.y = there ? node.toY : node.y + byY * part;
      this.#moved = true;
      gliding ||= !there;
    }
    return gliding;
  }

  #buildPaths(): void {
    this.#moved = false;
    this.#lines = new Map(healths.map((health) => [health, new Path2D()]));
    this.#heads = new Map(healths.map((health) => [health, new Path2D()]));
    this.#boxes = new Map(healths.map((health) => [health, new Path2D()]));
    for (const drawn of this.#edges) {
      aim(drawn);
      const { x1, y1, cx1, cy1, cx2, cy2, x2, y2, edge } = drawn;
      const line = this.#lines.get(edge.health)!;
      line.moveTo(x1, y1);
      line.bezierCurveTo(cx1, cy1, cx2, cy2, x2, y2);
      const angle = Math.atan2(y2 - cy2, x2 - cx2);
      const head = this.#heads.get(edge.health)!;
      head.moveTo(x2, y2);
      head.lineTo(x2 - 11 * Math.cos(angle - 0.4), y2 - 11 * Math.sin(angle - 0.4));
      head.lineTo(x2 - 11 * Math.cos(angle + 0.4), y2 - 11 * Math.sin(angle + 0.4));
      head.closePath();
    }
    for (const { x, y, node } of this.#nodes.values())
      this.#boxes.get(node.health)!.roundRect(x - width / 2, y - height / 2, width, height, 9);
  }

  /** What did not change, as it was drawn before. */
  #picture(): void {
    if (!this.#pictured) {
      this.#paintBehind(this.#behind);
      this.#before.setTransform(1, 0, 0, 1, 0, 0);
      this.#before.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
      this.#look(this.#before);
      this.#paintBefore(this.#before);
      this.#pictured = true;
    }
  }

  /** Through the view: in units of the drawing. */
  #look(context: Layer): void {
    const ratio = this.#canvas.width / Math.max(1, this.#canvas.clientWidth);
    context.setTransform(ratio * this.#scale, 0, 0, ratio * this.#scale, ratio * this.#left, ratio * this.#top);
  }

  #paintBehind(context: Layer): void {
    const colours = this.#colours;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = colours['ground']!;
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#look(context);
    const chosen = this.#selectedNode !== null || this.#selectedEdge !== null;
    context.globalAlpha = chosen ? 0.3 : 1;
    context.lineWidth = Math.max(1.6, 0.8 / this.#scale);
    for (const health of healths) {
      context.strokeStyle = context.fillStyle = colours[health]!;
      context.setLineDash(this.#scale < readableScale ? [] : [...dashes[health]]);
      context.stroke(this.#lines.get(health)!);
      if (this.#scale >= readableScale) context.fill(this.#heads.get(health)!);
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
    if (chosen) this.#paintChosen(context);
  }

  #paintBefore(context: Layer): void {
    for (const health of healths) {
      const boxes = this.#boxes.get(health)!;
      context.fillStyle = this.#colours['panel']!;
      context.fill(boxes);
      context.strokeStyle = this.#colours[health]!;
      context.lineWidth = 2;
      context.stroke(boxes);
    }
    this.#paintNodes(context);
    if (this.#scale >= edgeTextScale || this.#selectedNode !== null || this.#selectedEdge !== null)
      this.#paintEdgeTexts(context);
  }

  #paintChosen(context: Layer): void {
    context.lineWidth = Math.max(3, 1.6 / this.#scale);
    for (const drawn of this.#edges) {
      if (!this.#isChosen(drawn)) continue;
      context.strokeStyle = this.#colours[drawn.edge.health]!;
      context.setLineDash([...dashes[drawn.edge.health]]);
      context.beginPath();
      context.moveTo(drawn.x1, drawn.y1);
      context.bezierCurveTo(drawn.cx1, drawn.cy1, drawn.cx2, drawn.cy2, drawn.x2, drawn.y2);
      context.stroke();
    }
    context.setLineDash([]);
  }

  #isChosen(drawn: DrawnEdge): boolean {
    return drawn === this.#selectedEdge || drawn.from === this.#selectedNode || drawn.to === this.#selectedNode;
  }

  #paintFlow(passedMs: number, flowing: boolean): void {
    if (!flowing) return;
    const context = this.#context;
    const size = Math.max(5, 2.5 / this.#scale);
    context.fillStyle = this.#colours['accent']!;
    for (const drawn of this.#edges) {
      const { requestsPerSecond } = drawn.edge;
      if (requestsPerSecond <= 0) continue;
      drawn.phase = (drawn.phase + (passedMs / 1_000) * drawn.speed) % 1;
      context.fillRect(
        along(drawn, drawn.phase, 'x') - size / 2,
        along(drawn, drawn.phase, 'y') - size / 2,
        size,
        size,
      );
    }
  }

  #paintNodes(context: Layer): void {
    const colours = this.#colours;
    context.textAlign = 'left';
    context.textBaseline = 'middle';
    const readable = this.#scale >= readableScale;
    const detailed = this.#scale >= 0.45;
    for (const drawn of this.#nodes.values()) {
      const { x, y, node, title } = drawn;
      if (!this.#seen(x, y)) continue;
      paintMark(context, node.health, x - width / 2 + 18, y, colours[node.health]!, colours['panel']!);
      if (drawn === this.#selectedNode) {
        context.strokeStyle = colours['accent']!;
        context.lineWidth = Math.max(3, 2 / this.#scale);
        context.strokeRect(x - width / 2 - 5, y - height / 2 - 5, width + 10, height + 10);
      }
      if (!readable) continue;
      const twoLines = detailed && node.detail !== '';
      context.fillStyle = colours['text']!;
      context.font = '600 14px system-ui, sans-serif';
      context.fillText(title, x - width / 2 + 36, twoLines ? y - 9 : y);
      if (!twoLines) continue;
      context.font = '12px system-ui, sans-serif';
      context.fillStyle = colours['faint']!;
      context.fillText(shortened(node.detail, 26), x - width / 2 + 36, y + 11);
    }
  }

  #paintEdgeTexts(context: Layer): void {
    context.font = '12px system-ui, sans-serif';
    context.textAlign = 'left';
    context.textBaseline = 'middle';
    for (const drawn of this.#edges) {
      const chosen = this.#isChosen(drawn);
      if (!chosen && (this.#scale < edgeTextScale || this.#selectedNode !== null || this.#selectedEdge !== null))
        continue;
      const [x, y] = [along(drawn, 0.5, 'x'), along(drawn, 0.5, 'y')];
      if (!this.#seen(x, y)) continue;
      const { label, secured, health } = drawn.edge;
      const textWidth = context.measureText(label).width;
      const left = x - (textWidth + 20) / 2;
      context.fillStyle = this.#colours['ground']!;
      context.globalAlpha = 0.88;
      context.fillRect(left - 4, y - 10, textWidth + 28, 20);
      context.globalAlpha = 1;
      if (secured !== 'unknown')
        paintPadlock(
          context,
          secured,
          left + 5,
          y,
          secured === 'all' ? this.#colours['good']! : this.#colours['degraded']!,
        );
      context.fillStyle = health === 'failing' ? this.#colours['failing']! : this.#colours['text']!;
      context.fillText(label, left + 16, y);
    }
  }

  #seen(x: number, y: number): boolean {
    const [sx, sy] = [x * this.#scale + this.#left, y * this.#scale + this.#top];
    const margin = width * this.#scale;
    return (
      sx > -margin && sy > -margin && sx < this.#canvas.clientWidth + margin && sy < this.#canvas.clientHeight + margin
    );
  }
}

/** From the side of one box to the side of the other that faces it; back over or under when both are in one column. */
function aim(drawn: DrawnEdge): void {
  const { from, to } = drawn;
  const forward = to.x - from.x > width * 0.75;
  const backward = from.x - to.x > width * 0.75;
  const side = backward ? -1 : 1;
  drawn.x1 = from.x + (side * width) / 2;
  drawn.y1 = from.y + (backward ? 8 : 0);
  drawn.x2 = forward || backward ? to.x - (side * width) / 2 : to.x + width / 2;
  drawn.y2 = to.y + (backward ? 8 : 0);
  const bow = forward || backward ? Math.max(50, Math.abs(drawn.x2 - drawn.x1) * 0.45) : 70;
  drawn.cx1 = drawn.x1 + side * bow;
  drawn.cy1 = drawn.y1 + (backward ? 30 : 0);
  drawn.cx2 = forward || backward ? drawn.x2 - side * bow : drawn.x2 + bow;
  drawn.cy2 = drawn.y2 + (backward ? 30 : 0);
}

function along(drawn: DrawnEdge, t: number, axis: 'x' | 'y'): number {
  const u = 1 - t;
  const [a, b, c, d] =
    axis === 'x' ? [drawn.x1, drawn.cx1, drawn.cx2, drawn.x2] : [drawn.y1, drawn.cy1, drawn.cy2, drawn.y2];
  return u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d;
}

/** A disc with a tick, a triangle with a stroke, a square with a cross, a ring: told apart without colours. */
function paintMark(
  context: CanvasRenderingContext2D,
  health: Health,
  x: number,
  y: number,
  colour: string,
  on: string,
): void {
  context.beginPath();
  if (health === 'good' || health === 'idle') context.arc(x, y, 9, 0, 2 * Math.PI);
  else if (health === 'degraded') {
    context.moveTo(x, y - 10);
    context.lineTo(x + 11, y + 8);
    context.lineTo(x - 11, y + 8);
    context.closePath();
  } else context.rect(x - 9, y - 9, 18, 18);
  context.lineWidth = 2;
  if (health === 'idle') {
    context.strokeStyle = colour;
    context.stroke();
    return;
  }
  context.fillStyle = colour;
  context.fill();
  context.strokeStyle = on;
  context.beginPath();
  if (health === 'good') {
    context.moveTo(x - 4, y);
    context.lineTo(x - 1, y + 3.5);
    context.lineTo(x + 4.5, y - 3.5);
  } else if (health === 'degraded') {
    context.moveTo(x, y - 4);
    context.lineTo(x, y + 2);
    context.moveTo(x, y + 4);
    context.lineTo(x, y + 6);
  } else {
    context.moveTo(x - 4, y - 4);
    context.lineTo(x + 4, y + 4);
    context.moveTo(x + 4, y - 4);
    context.lineTo(x - 4, y + 4);
  }
  context.stroke();
}

/** Closed; open when some or all of it is plaintext. */
function paintPadlock(
  context: CanvasRenderingContext2D,
  secured: GraphEdge['secured'],
  x: number,
  y: number,
  colour: string,
): void {
  context.fillStyle = context.strokeStyle = colour;
  context.fillRect(x - 5, y - 1, 10, 7);
  context.lineWidth = 1.6;
  context.beginPath();
  if (secured === 'all') context.arc(x, y - 1, 3.3, Math.PI, 0);
  else context.arc(x + 4, y - 2, 3.3, Math.PI, -0.3);
  context.stroke();
}

function shortened(text: string, most = 20): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
