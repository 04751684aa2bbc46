/** The table of knobs as docs/inject.md has it. */
import { knobNames, knobs, lockedByDefault } from './knobs.ts';
import { annotationPrefix } from './own-names.ts';

const begin = '<!-- knobs: made by `node control-plane/inject/print-knobs.ts` -->';
const end = '<!-- end of knobs -->';

/** The page with the table as it is in the code. Throws an Error when it has no place for it. */
export function withKnobTable(page: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the page has no place for the table of knobs');
  const rows = knobNames.map((name) => {
    const { form, byDefault, says } = knobs[name];
    return `| \`${annotationPrefix}${name}\` | ${form} | ${byDefault === '' ? '' : `\`${byDefault}\``} | ${says}${lockedByDefault.includes(name) ? '. Locked in the webhook' : ''} |`;
  });
  const table = ['| annotation | value | default | what |', '|---|---|---|---|', ...rows].join('\n');
  return `${page.slice(0, from)}${begin}\n${table}\n${page.slice(to)}`;
}
