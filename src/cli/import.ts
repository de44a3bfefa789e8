/** `esplanade import FILE`: another program's configuration as a swanctl.conf on standard output, remarks on standard error. */
import { dirname, join } from "node:path";
import { type Import, importText } from "#config/import/import";
import { ConfigError, complaintToString, SystemError } from "#core/errors";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, UsageError } from "./command.ts";
import { relativeTo } from "./files.ts";

/** A name of its own: `import` is a word of the language. */
export const importer: Command = {
  name: "import",
  summary: "make a swanctl.conf of netsh's text, or of ipsec.conf and ipsec.secrets",
  parameters: ["FILE"],
  options: {
    secrets: { type: "string", value: "FILE", help: "ipsec.secrets; default: the one beside ipsec.conf" },
    side: { type: "string", value: "left|right", help: "which side of an ipsec.conf we are; default: left" },
    json: JSON_OPTION,
  },
  examples: [
    "esplanade import policy.txt > hq.conf && esplanade check hq.conf",
    "esplanade import /etc/ipsec.conf --side right",
  ],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const path = args.parameter("FILE");
  const side = args.text("side") ?? "left";
  if (side !== "left" && side !== "right") throw new UsageError(`--side ${side} is neither`, "say left or right");
  let made: Import;
  try {
    made = importText({ name: path, text: textOf(path, io) }, secretsOf(path, args, io), side, {
      read: (file) => tryText(file, io),
      glob: (pattern, from) => io.glob(relativeTo(from, pattern)),
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const complaint of error.complaints) io.err(`${paint(io, "red", "error")}: ${complaintToString(complaint)}\n`);
    return 1;
  }
  const { form, text, connections, remarks } = made;
  if (args.has("json"))
    io.out(`${JSON.stringify({ ok: connections > 0, form, connections, remarks, configuration: text })}\n`);
  else {
    io.out(text);
    for (const { origin, text: remark } of remarks)
      io.err(`${paint(io, "yellow", "note")}: ${origin.file}:${origin.line}: ${remark}\n`);
    io.err(`${path}: ${form}, ${connections} connections, ${remarks.length} notes\n`);
  }
  return connections > 0 ? 0 : 1;
}

function textOf(path: string, io: CliIo): string {
  const { octets } = io.readFile(path);
  try {
    return decoded(octets);
  } finally {
    octets.fill(0);
  }
}

/** Windows redirects into UTF-16. */
function decoded(octets: Uint8Array): string {
  const wide = octets[0] === 0xff && octets[1] === 0xfe;
  return new TextDecoder(wide ? "utf-16le" : "utf-8").decode(octets);
}

function tryText(path: string, io: CliIo): string | undefined {
  try {
    return textOf(path, io);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

function secretsOf(
  path: string,
  args: Arguments,
  io: CliIo,
): { readonly name: string; readonly text: string } | undefined {
  const named = args.text("secrets");
  if (named !== undefined) return { name: named, text: textOf(named, io) };
  const name = join(dirname(path), "ipsec.secrets");
  const text = tryText(name, io);
  return text === undefined ? undefined : { name, text };
}
