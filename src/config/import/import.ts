/** Another program's configuration → swanctl.conf. The text says by itself which form it has. */
import { ConfigError } from "#core/errors";
import { Draft, type Remark } from "./draft.ts";
import { importIpsecConf, importSecrets, type OwnSide } from "./ipsec-conf.ts";
import { type ImportWorld, isIpsecConf } from "./ipsec-conf-text.ts";
import { importAdvfirewall } from "./netsh-advfirewall.ts";
import { importStatic } from "./netsh-static.ts";
import { isNetsh, type NetshCommand, parseNetsh } from "./netsh-text.ts";

export interface ImportedFile {
  readonly name: string;
  readonly text: string;
}

export interface Import {
  readonly form: "netsh" | "ipsec.conf";
  /** A swanctl.conf with a comment for everything that is not in it. Holds secrets. */
  readonly text: string;
  readonly connections: number;
  readonly remarks: readonly Remark[];
}

/** `secrets`: ipsec.secrets, which ipsec.conf goes with; `own`: which of its sides we are. Throws ConfigError for other texts. */
export function importText(
  main: ImportedFile,
  secrets: ImportedFile | undefined,
  own: OwnSide,
  world: ImportWorld,
): Import {
  const draft = new Draft();
  const form = formOf(main.text);
  if (form === "netsh") importNetsh(parseNetsh(main.text, main.name), draft);
  else if (form === "ipsec.conf") {
    importIpsecConf(main.text, main.name, own, world, draft);
    if (secrets !== undefined) importSecrets(secrets.text, secrets.name, world, draft);
    else
      draft.remark(
        undefined,
        { file: main.name, line: 1 },
        "there is no ipsec.secrets beside it: add the secrets by hand",
      );
  } else
    throw new ConfigError([
      {
        path: "",
        place: `${main.name}:1`,
        problem: "this is neither a text of netsh nor an ipsec.conf",
        remedy:
          "give a script with 'netsh ipsec static …' or 'netsh advfirewall consec …' lines, or a file with conn sections",
      },
    ]);
  const { connections, remarks } = draft;
  return { form, text: draft.toText(main.name), connections: connections.blocks.length, remarks };
}

function formOf(text: string): Import["form"] | undefined {
  if (isNetsh(text)) return "netsh";
  return isIpsecConf(text) ? "ipsec.conf" : undefined;
}

/** The legacy vocabulary first: it is the older one, and each is for itself. */
function importNetsh(commands: readonly NetshCommand[], draft: Draft): void {
  const legacy: NetshCommand[] = [];
  const modern: NetshCommand[] = [];
  for (const command of commands) {
    const [first, second] = command.words;
    if (first === "ipsec" && second === "static") legacy.push(command);
    else if (first === "advfirewall") modern.push(command);
    else {
      const why =
        first === "ipsec" ? "what is set at run time is gone with the next start" : "it is no command of IPsec";
      draft.remark(
        undefined,
        command.origin,
        `'${[first, second].filter(Boolean).join(" ")}' has no counterpart: ${why}`,
      );
    }
  }
  importStatic(legacy, draft);
  importAdvfirewall(modern, draft);
}
