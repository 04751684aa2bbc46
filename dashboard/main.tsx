/** The dashboard in a browser: takes a token out of the address, and shows the page that the address means. */
import './dashboard.css';
import { render } from 'preact';
import { takeTokenFromAddress } from './data/token.ts';
import { App } from './shell/app.tsx';
import { followTheme } from './shell/theme.ts';

takeTokenFromAddress();
followTheme();
const place = document.getElementById('app')!;
place.replaceChildren();
render(<App />, place);
