/** What is around every page: the bar, the keys, and what is said when the control plane is away. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { awaySince, onReach } from '../data/reach.ts';
import { clockText } from '../data/words.ts';
import { outside } from '../graph/graph-model.ts';
import { GraphPage } from '../graph/graph-page.tsx';
import { ConfigPage } from '../pages/config-page.tsx';
import { EdgePage } from '../pages/edge-page.tsx';
import { FaultsPage } from '../pages/faults-page.tsx';
import { ProxiesPage } from '../pages/proxies-page.tsx';
import { RequestPage } from '../pages/request-page.tsx';
import { RequestsPage } from '../pages/requests-page.tsx';
import { ServicePage } from '../pages/service-page.tsx';
import { TapPage } from '../pages/tap-page.tsx';
import { addressOf, type PageAddress, type PageName, parseAddress } from './page-address.ts';
import { switchTheme, useTheme } from './theme.ts';
import { LockButton } from './token-dialog.tsx';

/** In the bar: page, name, key after `g`. */
const pages: ReadonlyArray<readonly [PageName, string, string]> = [
  ['graph', 'Services', 's'],
  ['requests', 'Requests', 'r'],
  ['tap', 'Live', 'l'],
  ['proxies', 'Proxies', 'p'],
  ['config', 'Configuration', 'c'],
  ['faults', 'Faults', 'f'],
];

const keys: ReadonlyArray<readonly [string, string]> = [
  ...pages.map(([, name, key]): [string, string] => [`g ${key}`, `go to ${name}`]),
  ['t', 'graph: picture or table'],
  ['/', 'requests: to the request id'],
  ['d', 'dark or light'],
  ['?', 'these keys'],
  ['arrows, Enter', 'in the graph: from service to service, and into one'],
  ['+ − 0', 'in the graph: closer, farther, all of it'],
];

export function App() {
  const [address, setAddress] = useState(parseAddress(location.hash));
  const help = useRef<HTMLDialogElement>(null);
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const look = (): void => setAddress(parseAddress(location.hash));
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);
  const place = `${address.page} ${address.about.join(' ')}`;
  const before = useRef(place);
  const wantsSearch = useRef(false);
  useEffect(() => {
    const heading = main.current!.querySelector('h1');
    const field = wantsSearch.current ? searchField() : null;
    wantsSearch.current = false;
    document.title = `${heading?.textContent ?? ''} · Outrigger`;
    // Who goes on by keyboard goes on at the new page, or in the field that was asked for; not when the page is opened first.
    if (before.current !== place) (field ?? heading)?.focus();
    before.current = place;
  }, [place]);
  useKeys(
    () => help.current!.showModal(),
    () => (wantsSearch.current = true),
  );
  const theme = useTheme();
  const here =
    address.page === 'service' || address.page === 'edge'
      ? 'graph'
      : address.page === 'request'
        ? 'requests'
        : address.page;
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current!.querySelector('h1')?.focus();
        }}
      >
        To the content
      </a>
      <header class="bar">
        <strong class="brand">Outrigger</strong>
        <nav aria-label="Pages">
          {pages.map(([page, name]) => (
            <a key={page} href={addressOf(page)} aria-current={page === here ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <span class="tools">
          <LockButton />
          <button type="button" onClick={switchTheme} aria-label={theme === 'dark' ? 'Light colours' : 'Dark colours'}>
            {theme === 'dark' ? '☀' : '☾'}
          </button>
          <button type="button" aria-label="Keys" onClick={() => help.current!.showModal()}>
            ?
          </button>
        </span>
      </header>
      <Away />
      <main ref={main} id="main">
        <Page address={address} />
      </main>
      <dialog ref={help} aria-label="Keys">
        <h2>Keys</h2>
        <dl class="facts">
          {keys.map(([key, what]) => (
            <>
              <dt key={key}>
                <kbd>{key}</kbd>
              </dt>
              <dd>{what}</dd>
            </>
          ))}
        </dl>
        <button type="button" onClick={() => help.current!.close()}>
          Close
        </button>
      </dialog>
    </>
  );
}

function Page({ address: { page, about, query } }: { readonly address: PageAddress }) {
  const [first = '', second = ''] = about;
  switch (page) {
    case 'graph':
      return <GraphPage query={query} />;
    case 'service':
      return <ServicePage key={first} name={first} />;
    case 'edge':
      return <EdgePage key={`${first}>${second}`} source={insideOf(first)} destination={insideOf(second)} />;
    case 'requests':
      return <RequestsPage query={query} />;
    case 'request':
      return <RequestPage key={first} id={first} />;
    case 'tap':
      return <TapPage query={query} />;
    case 'proxies':
      return <ProxiesPage />;
    case 'config':
      return <ConfigPage query={query} />;
    case 'faults':
      return <FaultsPage />;
  }
}

/** An empty part has no place in an address. */
function insideOf(name: string): string {
  return name === outside ? '' : name;
}

function Away() {
  const [since, setSince] = useState(awaySince());
  useEffect(() => onReach(() => setSince(awaySince())), []);
  if (since === null) return null;
  return (
    <p class="notice fault away" role="alert">
      <strong>The control plane has not answered since {clockText(new Date(since).toISOString()).slice(0, 8)}.</strong>{' '}
      What stands here is of before; proxies go on with the configuration that they have. Trying again …
    </p>
  );
}

/** Of a request id; null on pages that have none. */
function searchField(): HTMLElement | null {
  return document.querySelector<HTMLElement>('[data-search]');
}

/** `searchNext`: the field for a request id has the focus on the page that comes. */
function useKeys(showHelp: () => void, searchNext: () => void): void {
  useEffect(() => {
    let going = false;
    const pressed = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]') !== null) return;
      if (/^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      const wasGoing = going;
      going = false;
      if (wasGoing) {
        const page = pages.find(([, , key]) => key === event.key)?.[0];
        if (page !== undefined) location.hash = addressOf(page);
      } else if (event.key === 'g') going = true;
      else if (event.key === '?') showHelp();
      else if (event.key === 'd') switchTheme();
      else if (event.key === 't') {
        const { page, query } = parseAddress(location.hash);
        if (page === 'graph')
          location.hash = addressOf('graph', [], { ...query, view: query['view'] === 'table' ? '' : 'table' });
      } else if (event.key === '/') {
        const field = searchField();
        if (field === null) {
          searchNext();
          location.hash = addressOf('requests');
        } else field.focus();
        event.preventDefault();
      }
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}
