/** Completion for bash: what may follow, looked up by command and flag. Needs nothing but bash 4. */
import { quoted, type CompletedCommand, type Values } from './model.ts';

/** `files` stands for names of files: no command has it as a word. */
function words(values: Values): string {
  return values === 'unknown' ? '' : values === 'files' ? '@files' : values.join(' ');
}

function ofCommand({ path, commands, flags, operands }: CompletedCommand): string {
  const valued = flags.filter(({ values }) => values !== null).flatMap(({ names }) => names);
  return [
    `    ${quoted(path)})`,
    `      commands=${quoted(commands.map(({ name }) => name).join(' '))}`,
    `      flags=${quoted(flags.flatMap(({ names }) => names).join(' '))}`,
    `      valued=${quoted(valued.join(' '))}`,
    `      operands=${quoted(words(operands))} ;;`,
  ].join('\n');
}

function ofFlags({ path, flags }: CompletedCommand): string[] {
  return flags.flatMap(({ names, values }) => {
    if (values === null || values === 'unknown') return [];
    const patterns = names.map((name) => quoted(`${path} ${name}`)).join('|');
    return [`    ${patterns}) operands=${quoted(words(values))} ;;`];
  });
}

export function bashScript(commands: readonly CompletedCommand[]): string {
  return `# bash completion of sideroute.      source <(sideroute completion bash)

__sideroute_command() {
  case "$1" in
${commands.map(ofCommand).join('\n')}
  esac
}

__sideroute_values() {
  operands=
  case "$1 $2" in
${commands.flatMap(ofFlags).join('\n')}
  esac
}

_sideroute() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path= flag= word i
  local commands flags valued operands
  __sideroute_command ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -n $flag ]]; then
      # Of --flag=value the sign is a word of its own.
      [[ $word == '=' ]] || flag=
    elif [[ $word == -* ]]; then
      [[ " $valued " == *" $word "* ]] && flag=$word
    elif [[ " $commands " == *" $word "* ]]; then
      path="\${path:+$path }$word"
      __sideroute_command "$path"
    fi
  done
  [[ $cur == '=' ]] && cur=
  COMPREPLY=()
  if [[ -n $flag ]]; then
    __sideroute_values "$path" "$flag"
  elif [[ $cur == -* ]]; then
    operands=$flags
  else
    operands="$commands $operands"
  fi
  if [[ $operands == *@files ]]; then
    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$operands" -- "$cur")
  fi
}

complete -F _sideroute sideroute
`;
}
