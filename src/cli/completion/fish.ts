/** Completion for fish, with the descriptions: a line for each command, flag and operand, with the command that it is of. */
import type { CompletedCommand, Flag, Values } from './model.ts';

/** In single quotes, where a backslash counts as well. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}

/** `-x`: something must follow, and it is no file; `-r`: something must follow. */
function valueFlags(values: Values | null): string {
  if (values === null) return '';
  if (values === 'files') return ' -r -F';
  return values === 'unknown' ? ' -x' : ` -x -a ${quoted(values.join(' '))}`;
}

function flagLine(condition: string, { names, description, values }: Flag): string {
  const spelled = names.map((name) => (name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`));
  return `${condition}${spelled.join('')}${valueFlags(values)} -d ${quoted(description)}`;
}

function ofCommand({ path, commands, flags, operands }: CompletedCommand): string[] {
  const condition = `complete -c sideroute -n ${quoted(`__sideroute_at ${quoted(path)}`)}`;
  const files = operands === 'files' ? [`${condition} -F`] : [];
  const words = typeof operands === 'string' || operands.length === 0 ? [] : [` -a ${quoted(operands.join(' '))}`];
  return [
    ...commands.map(({ name, description }) => `${condition} -a ${quoted(name)} -d ${quoted(description)}`),
    ...words.map((each) => `${condition}${each}`),
    ...files,
    ...flags.map((flag) => flagLine(condition, flag)),
  ];
}

function ofPath({ path, commands, flags }: CompletedCommand): string {
  const valued = flags.filter(({ values }) => values !== null).flatMap(({ names }) => names);
  return [
    `    case ${quoted(path)}`,
    `      set commands ${commands.map(({ name }) => name).join(' ')}`,
    `      set valued ${valued.join(' ')}`,
  ].join('\n');
}

export function fishScript(commands: readonly CompletedCommand[]): string {
  return `# fish completion of sideroute.      sideroute completion fish | source

function __sideroute_sets --no-scope-shadowing
  switch "$at"
${commands.map(ofPath).join('\n')}
  end
end

# Whether the command that is being typed is this one.
function __sideroute_at
  set -l at ''
  set -l commands
  set -l valued
  set -l flag
  __sideroute_sets
  for word in (commandline -opc)[2..-1]
    if test -n "$flag"
      set flag
    else if string match -q -- '-*' $word
      contains -- $word $valued; and set flag $word
    else if contains -- $word $commands
      set at (string trim -- "$at $word")
      __sideroute_sets
    end
  end
  test "$at" = "$argv[1]"
end

complete -c sideroute -f
${commands.flatMap(ofCommand).join('\n')}
`;
}
