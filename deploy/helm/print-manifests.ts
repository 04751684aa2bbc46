/** Brings what is made up to date: the chart's copies of the CRDs, and deploy/manifests. `node test/peers/install.ts helm` gets helm. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerPath } from '../../test/peers/peer-path.ts';
import { chartCrdsFolder, crds, manifestsFile, manifestsText } from './chart.ts';

const helm = peerPath('helm');
if (helm === null) {
  process.stderr.write('helm is missing; node test/peers/install.ts helm gets it\n');
  process.exit(1);
}
rmSync(chartCrdsFolder, { recursive: true, force: true });
mkdirSync(chartCrdsFolder);
for (const [name, text] of crds()) writeFileSync(join(chartCrdsFolder, name), text);
writeFileSync(manifestsFile, manifestsText(helm));
