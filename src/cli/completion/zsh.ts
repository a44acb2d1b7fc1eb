/** Completion for zsh, with the descriptions: what may follow, looked up by command and flag. */
import { quoted, type CompletedCommand, type Described, type Values } from './model.ts';

/** An entry of `_describe`, where a colon ends the name. */
function entry({ name, description }: Described): string {
  return quoted(`${name.replaceAll(':', '\\:')}:${description}`);
}

function words(values: Values): string {
  if (values === 'unknown') return '';
  return values === 'files'
    ? quoted('@files')
    : values.map((value) => entry({ name: value, description: '' })).join(' ');
}

function ofCommand({ path, commands, flags, operands }: CompletedCommand): string {
  const all = flags.flatMap(({ names, description }) => names.map((name) => ({ name, description })));
  const valued = flags.filter(({ values }) => values !== null).flatMap(({ names }) => names);
  return [
    `    ${quoted(path)})`,
    `      commands=(${commands.map(entry).join(' ')})`,
    `      flags=(${all.map(entry).join(' ')})`,
    `      valued=(${valued.map(quoted).join(' ')})`,
    `      operands=(${words(operands)}) ;;`,
  ].join('\n');
}

function ofFlags({ path, flags }: CompletedCommand): string[] {
  return flags.flatMap(({ names, values }) => {
    if (values === null || values === 'unknown') return [];
    const patterns = names.map((name) => quoted(`${path} ${name}`)).join('|');
    return [`    ${patterns}) operands=(${words(values)}) ;;`];
  });
}

export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef sideroute
# zsh completion of sideroute: source <(sideroute completion zsh) after compinit, or as _sideroute in a directory of $fpath.

__sideroute_command() {
  case "$1" in
${commands.map(ofCommand).join('\n')}
  esac
  names=("\${(@)commands%%:*}")
}

__sideroute_values() {
  operands=()
  case "$1 $2" in
${commands.flatMap(ofFlags).join('\n')}
  esac
}

_sideroute() {
  local at= flag= word
  local -a commands flags valued operands names
  __sideroute_command ''
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n $flag ]]; then
      flag=
    elif [[ $word == -* ]]; then
      (( \${valued[(Ie)$word]} )) && flag=$word
    elif (( \${names[(Ie)$word]} )); then
      at="\${at:+$at }$word"
      __sideroute_command "$at"
    fi
  done
  if [[ -z $flag && $PREFIX == --*=* ]]; then
    flag=\${PREFIX%%=*}
    compset -P '*='
  fi
  if [[ -n $flag ]]; then
    __sideroute_values "$at" "$flag"
    commands=()
  elif [[ $PREFIX == -* ]]; then
    _describe -o flag flags
    return
  fi
  if [[ $operands == '@files' ]]; then
    _files
  elif (( $#operands )); then
    _describe value operands
  fi
  (( $#commands )) && _describe command commands
}

# Run as a file of $fpath it is the function itself.
if [[ $funcstack[1] == _sideroute ]]; then
  _sideroute "$@"
else
  compdef _sideroute sideroute
fi
`;
}
