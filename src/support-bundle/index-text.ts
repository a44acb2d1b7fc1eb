/**
 * The index of a bundle: what is in it, what is not and why, and what was left out of each file.
 *
 * Used by `collection.ts`.
 */
export interface IndexedFile {
  readonly name: string;
  readonly what: string;
  readonly bytes: number;
  /** Why there is not all of it. */
  readonly cut: string | null;
  /** Fields, or kinds of what was found in a text, and how often. */
  readonly leftOut: readonly { readonly place: string; readonly times: number }[];
  readonly moreLeftOut: number;
}

export interface BundleIndex {
  readonly format: number;
  /** RFC 3339. */
  readonly madeAt: string;
  /** Whom it is about. */
  readonly of: string;
  readonly client: { readonly version: string; readonly commit: string | null };
  readonly files: readonly IndexedFile[];
  /** What should be there. */
  readonly missing: readonly { readonly what: string; readonly why: string }[];
  readonly notes: readonly string[];
}

/** In the text; the JSON has more. */
const PLACES_SHOWN = 8;

export function indexText(index: BundleIndex): string {
  const { madeAt, of, client, files, missing, notes } = index;
  const lines = [
    `A bundle for a report about sideroute: ${of}`,
    `made ${madeAt} by sideroute ${client.version}${client.commit === null ? '' : ` (${client.commit})`}`,
    '',
    'Look through it before you give it away: names of Services, hosts, paths and addresses are in it. Values of environment variables, of headers that',
    'routes set, of arguments, of annotations, and what looks like a credential are not: each stands as [left out], and is listed below.',
    '',
    'In it:',
  ];
  for (const file of files) {
    lines.push(`  ${file.name} (${file.bytes} bytes): ${file.what}`);
    if (file.cut !== null) lines.push(`    cut: ${file.cut}`);
  }
  if (files.length === 0) lines.push('  nothing');
  lines.push('', 'Not to be had:');
  for (const { what, why } of missing) lines.push(`  ${what}: ${why}`);
  if (missing.length === 0) lines.push('  nothing: all of it is there');
  if (notes.length > 0) lines.push('', 'Not there, and no failure:', ...notes.map((note) => `  ${note}`));
  lines.push('', 'Left out of the files:');
  const cleaned = files.filter(({ leftOut }) => leftOut.length > 0);
  for (const { name, leftOut, moreLeftOut } of cleaned) {
    lines.push(`  ${name}`);
    for (const { place, times } of leftOut.slice(0, PLACES_SHOWN))
      lines.push(`    ${oneLine(place)}${times > 1 ? ` (${times} times)` : ''}`);
    const more = leftOut.length - Math.min(leftOut.length, PLACES_SHOWN) + moreLeftOut;
    if (more > 0)
      lines.push(`    and at ${more} more places; index.json has ${moreLeftOut > 0 ? 'more of them' : 'them all'}`);
  }
  if (cleaned.length === 0) lines.push('  nothing');
  return `${lines.join('\n')}\n`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ');
}
