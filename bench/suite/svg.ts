/**
 * Bars in panels, as SVG: one panel per question, with its own scale; one bar per answer, with a line across its end
 * from the minimum to the maximum.
 */

export interface Bar {
  readonly label: string;
  readonly color: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** The value in words. */
  readonly text: string;
}

export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const COLUMNS = 3;
const [PANEL, GAP, MARGIN] = [330, 24, 20];
const [LABEL, NUMBER] = [104, 58];
const [BAR, STEP, HEAD, TOP] = [13, 18, 24, 62];

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function text(x: number, y: number, size: number, content: string, more = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}"${more}>${escapeXml(content)}</text>\n`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

function panelSvg({ title, bars }: Panel, left: number, top: number): string {
  const most = Math.max(...bars.map(({ high, value }) => Math.max(high, value)), Number.MIN_VALUE);
  const room = PANEL - LABEL - NUMBER;
  const along = (value: number): number => left + LABEL + (Math.max(value, 0) / most) * room;
  const rows = bars.map(({ label, color, value, low, high, text: words }, index) => {
    const y = top + HEAD + index * STEP;
    const middle = y + BAR / 2;
    const width = round(along(value) - left - LABEL);
    return (
      text(left + LABEL - 6, y + BAR - 2.5, 11, label, ' text-anchor="end" fill="#333"') +
      `<rect x="${left + LABEL}" y="${y}" width="${width}" height="${BAR}" fill="${color}"/>\n` +
      (high > low
        ? `<path d="M${round(along(low))} ${middle}H${round(along(high))}" stroke="#222" stroke-width="1.2"/>\n`
        : '') +
      text(Math.max(along(high), along(value)) + 5, y + BAR - 2.5, 11, words, ' fill="#333"')
    );
  });
  return text(left, top + 12, 12.5, title, ' font-weight="600" fill="#111"') + rows.join('');
}

export function barPanels(title: string, subtitle: string, panels: readonly Panel[]): string {
  const columns = Math.min(COLUMNS, Math.max(panels.length, 1));
  const rows = Array.from({ length: Math.ceil(panels.length / columns) }, (_, row) =>
    panels.slice(row * columns, (row + 1) * columns),
  );
  let top = TOP;
  const drawn = rows.map((row) => {
    const here = row.map((panel, column) => panelSvg(panel, MARGIN + column * (PANEL + GAP), top)).join('');
    top += HEAD + Math.max(...row.map(({ bars }) => bars.length)) * STEP + GAP;
    return here;
  });
  const width = Math.max(2 * MARGIN + columns * PANEL + (columns - 1) * GAP, 720);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" font-family="system-ui, sans-serif" role="img">
<title>${escapeXml(title)}</title>
<rect width="100%" height="100%" fill="#fff"/>
${text(MARGIN, 26, 17, title, ' font-weight="700" fill="#111"')}${text(MARGIN, 45, 12, subtitle, ' fill="#555"')}${drawn.join('')}</svg>
`;
}
