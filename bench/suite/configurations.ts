/** How each proxy was set up, as a document: command lines and files for each setting. */
import { extname } from 'node:path';
import type { Peer } from '../peers/peer.ts';
import { HEAP, startOf } from '../peers/sideroute.ts';
import { CELLS, SETTINGS, type SettingKey } from './cells.ts';
import { tcpPortOf, type Entrant } from './entrants.ts';

const PORT = 15001;
/** Of thousands of rules, only this many are shown. */
const SHOWN_RULES = 3;
const LANGUAGES: Readonly<Record<string, string>> = { '.yaml': 'yaml', '.json': 'json' };

function peerOf(entrant: Entrant, key: SettingKey): Peer {
  const { setting } = SETTINGS[key];
  const rules = Math.min(setting.rules, SHOWN_RULES);
  return entrant.peer({ directory: 'DIR', port: PORT, tcpPort: tcpPortOf(key, PORT), setting: { ...setting, rules } });
}

function block(language: string, text: string): string {
  return `\`\`\`${language}\n${text.trimEnd()}\n\`\`\`\n\n`;
}

function commandText({ command }: Peer, envoyProgram: string): string {
  return command
    .join(' ')
    .replace(startOf().join(' '), `NODE_OPTIONS='${HEAP.join(' ')}' sideroute`)
    .replace(envoyProgram, 'envoy')
    .replace(/\S*\/(?=bench\/native\/build\/)/, '');
}

function section(entrant: Entrant, key: SettingKey, envoyProgram: string): string {
  const peer = peerOf(entrant, key);
  const { title, setting } = SETTINGS[key];
  const shown =
    setting.rules > SHOWN_RULES
      ? `The first ${SHOWN_RULES} of ${setting.rules.toLocaleString('en-US')} rules are shown.\n\n`
      : '';
  const files = Object.entries(peer.files).map(
    ([name, text]) => `\`${name}\`:\n\n${block(LANGUAGES[extname(name)] ?? 'text', text)}`,
  );
  return `### ${entrant.name}: ${title}\n\n${shown}${block('text', commandText(peer, envoyProgram))}${files.join('')}`;
}

export function configurations(entrants: readonly Entrant[], envoyProgram: string): string {
  const settings = Object.keys(SETTINGS) as SettingKey[];
  const parts = entrants.map((entrant) => {
    const taken = settings.filter((key) => CELLS.some((cell) => cell.setting === key && entrant.takes(cell)));
    return `## ${entrant.name}\n\n${taken.map((key) => section(entrant, key, envoyProgram)).join('')}`;
  });
  return `# How the proxies are set up

Written by \`npm run bench\`, from what it starts the proxies with. DIR is a directory of each proxy alone; the files of sideroute are in a volume as kubelet
makes it, \`DIR/routes\`. Each has one thread for requests, and the first core for itself.

${parts.join('')}`.trimEnd();
}
