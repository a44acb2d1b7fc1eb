/** Writes docs/cluster-checks.md: all checks of `sideroute check --cluster`. */
import { CHECKS } from '../src/cluster-check/checks.ts';
import { KINDS, resourceName, type KindName } from '../src/cluster-check/kinds.ts';
import { GROUPS, type Group } from '../src/cluster-check/model.ts';
import { GeneratedDocument } from './generated-document.ts';
import { cell } from './test-titles.ts';

const INTRODUCTION = `# What \`sideroute check --cluster\` looks at

It looks at a cluster with the rights of whoever runs it, through the API server that kubectl would ask, and says of each check \`ok\`, \`warning\`,
\`error\` or \`unknown\`, what it looked at, and for each fault the object, what is wrong, and how it is mended: a command (a line that begins
with \`$\`) or a sentence. It writes nothing into the cluster and reads no Secret.

| Command | When |
|---|---|
| \`sideroute check --cluster --pre\` | before the install: only what has to be there already |
| \`sideroute check --cluster\` | after it, and whenever something does not work |
| \`sideroute check --cluster -n devopssong\` | the faults of one namespace |

| Option | |
|---|---|
| \`--pre\` | leaves out what is about things that the install brings |
| \`-n NAMESPACE\` | tells of the faults of that namespace and of the cluster as a whole. Who may not list a kind in all namespaces has it listed in this one |
| \`-o json\` | for programs: \`result\`, and \`checks\`, each with \`id\`, \`result\`, \`looked\`, and \`findings\` with \`object\`, \`message\`, and \`mend\`, which has a \`command\` or a \`sentence\` |
| \`--strict\` | warnings are failures |
| \`--kubeconfig\`, \`--context\` | as kubectl has them |

The exit status is 0 when nothing was found, or warnings alone; 1 when there is an error, or something that could not be looked at; 2 when the
command line is wrong. \`unknown\` is not \`ok\`: mostly the user may not list some kind, and \`api-permissions\` prints the two commands with which an
administrator allows it.

Commands that apply the install are for a clone of the repository. What was installed by Helm is mended by \`helm upgrade\` instead.

This file is written by \`scripts/cluster-checks-table.ts\`.
`;

export const clusterChecksDocument = new GeneratedDocument('docs/cluster-checks.md', () => {
  const groups = (Object.keys(GROUPS) as Group[]).map((group) => {
    const rows = CHECKS.filter((check) => check.group === group).map(({ id, title, why, mend, before }) => {
      return `| \`${id}\` | ${cell(title)} | ${before ? 'yes' : ''} | ${cell(why)} | ${cell(mend)} |\n`;
    });
    const head = '| Check | What holds | With `--pre` | Why it matters | How it is mended |\n|---|---|---|---|---|\n';
    return `\n## ${GROUPS[group]}\n\n${head}${rows.join('')}`;
  });
  const kinds = [...new Set((Object.keys(KINDS) as KindName[]).map(resourceName))].sort();
  const list = kinds.map((kind) => `\`${kind}\``).join(', ');
  const rights = `\n## What is read\n\n\`list\` of ${list}; \`create\` of \`subjectaccessreviews.authorization.k8s.io\`, to ask what the controller may do.\n`;
  return `${INTRODUCTION}${groups.join('')}${rights}`;
});

clusterChecksDocument.writeIfMain(import.meta.url);
