/** `esplanade completion SHELL`: a script that completes commands, options and files. */
import { nearest } from "#core/nearest";
import { COMMON_OPTIONS, type Command, type Option, UsageError } from "./command.ts";
import type { CommandTable } from "./main.ts";

const WRITERS: Readonly<Record<string, (commands: readonly Command[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** `others`: all commands but this one. */
export function completionOf(others: CommandTable): Command {
  const completion: Command = {
    name: "completion",
    summary: "print a script that completes commands and options in bash, zsh or fish",
    parameters: ["SHELL"],
    options: {},
    examples: [
      "esplanade completion bash > /etc/bash_completion.d/esplanade",
      "esplanade completion zsh > /usr/share/zsh/site-functions/_esplanade",
      "esplanade completion fish > ~/.config/fish/completions/esplanade.fish",
    ],
    async run(args, io) {
      const shell = args.parameter("SHELL");
      const write = Object.hasOwn(WRITERS, shell) ? WRITERS[shell] : undefined;
      if (write === undefined) {
        const meant = nearest(shell, Object.keys(WRITERS));
        throw new UsageError(
          `no completion for "${shell}"`,
          meant === undefined ? `choose ${Object.keys(WRITERS).join(", ")}` : `did you mean "${meant}"?`,
        );
      }
      const commands = await Promise.all(Object.values(others).map((load) => load()));
      io.out(write([...commands, completion]));
      return 0;
    },
  };
  return completion;
}

function optionsOf(command: Command): readonly (readonly [name: string, option: Option])[] {
  return Object.entries({ ...command.options, ...COMMON_OPTIONS });
}

/** In single quotes, as all three shells read them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What follows a command's name: choices that are the same for everybody. */
function wordsOf(command: Command): readonly string[] {
  return command.name === "completion" ? Object.keys(WRITERS) : [];
}

function bashScript(commands: readonly Command[]): string {
  const names = [...commands.map(({ name }) => name), "help"].join(" ");
  const cases = commands.map((command) => {
    const words = optionsOf(command).flatMap(([name, { short }]) =>
      short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`],
    );
    return `    ${command.name}) options=${quoted(words.join(" "))}; words=${quoted(wordsOf(command).join(" "))} ;;`;
  });
  return `# bash completion of esplanade: eval "$(esplanade completion bash)"
_esplanade() {
  local current=\${COMP_WORDS[COMP_CWORD]} options='' words=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${quoted(`${names} --help --version`)} -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
    help) words=${quoted(names)} ;;
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) [ -z "$words" ] || COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _esplanade esplanade
`;
}

/** In the descriptions of _arguments and _describe a colon and brackets have a meaning. */
function zshText(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, "\\$&");
}

function zshScript(commands: readonly Command[]): string {
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${zshText(summary)}`)}`);
  const cases = commands.map((command) => {
    const options = optionsOf(command).flatMap(([name, { short, type, value, help }]) => {
      const argument = type === "string" ? `:${zshText(value ?? "VALUE")}:_files` : "";
      const spellings = short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
      return spellings.map((spelling) => quoted(`${spelling}[${zshText(help)}]${argument}`));
    });
    const words = wordsOf(command);
    const rest = quoted(words.length === 0 ? "*: :_files" : `*: :(${words.join(" ")})`);
    return `    ${command.name}) _arguments ${[...options, rest].join(" ")} ;;`;
  });
  return `#compdef esplanade
_esplanade() {
  local -a commands
  commands=(
${described.join("\n")}
    'help:say how a command is used'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local name=$words[2]
  shift words
  (( CURRENT-- ))
  case $name in
${cases.join("\n")}
    help) _describe command commands ;;
  esac
}
if [ "$funcstack[1]" = _esplanade ]; then _esplanade "$@"; else compdef _esplanade esplanade; fi
`;
}

function fishScript(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => {
    const { name, summary } = command;
    const seen = quoted(`__fish_seen_subcommand_from ${name}`);
    const words = wordsOf(command);
    return [
      `complete -c esplanade -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
      ...optionsOf(command).map(([option, { short, type, help }]) =>
        [
          `complete -c esplanade -n ${seen} -l ${option}`,
          ...(short === undefined ? [] : [`-s ${short}`]),
          ...(type === "string" ? ["-r"] : []),
          `-d ${quoted(help)}`,
        ].join(" "),
      ),
      ...(words.length === 0 ? [] : [`complete -c esplanade -n ${seen} -f -a ${quoted(words.join(" "))}`]),
    ];
  });
  return `# fish completion of esplanade\n${lines.join("\n")}\n`;
}
