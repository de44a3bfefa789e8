/** `esplanade pair NAME HERE THERE`: both sides' files of a new tunnel, with a secret that nobody else has seen. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type PairSide, PSK_LENGTH, pskFile, pskText, tunnelText } from "#config/pair";
import { readSwanctl, wipeSecrets } from "#config/swanctl/read";
import { SystemError } from "#core/errors";
import { wipe } from "#crypto/octets";
import { systemRandom } from "#io/system-random";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, UsageError } from "./command.ts";
import { createPrivateFile } from "./files.ts";

export const pair: Command = {
  name: "pair",
  summary: "write both sides' files of a new tunnel, with a fresh secret of 256 bits",
  parameters: ["NAME", "HERE", "THERE"],
  options: {
    directory: {
      type: "string",
      short: "d",
      value: "PATH",
      help: "where the directories of the two sides are made (.)",
    },
    json: JSON_OPTION,
  },
  examples: [
    "esplanade pair hq 192.0.2.1=10.1.0.0/16 203.0.113.2=10.2.0.0/16",
    "esplanade pair branch vpn.example.com=10.0.0.0/8 %any=192.168.7.0/24 --directory /root/pairs",
  ],
  run,
};

interface SideFiles {
  readonly directory: string;
  readonly configuration: string;
  readonly text: string;
}

/** 0: both sides' files are there; 1: one was there before, or cannot be written; nothing is overwritten. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const name = args.parameter("NAME");
  if (!/^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/.test(name))
    throw new UsageError(`"${name}" is no name of a tunnel`, "take letters, digits, - and _, for example hq");
  const here = sideOf("HERE", args);
  const there = sideOf("THERE", args);
  if (here.peer === "%any" && there.peer === "%any")
    throw new UsageError("neither side has an address to go to", "give one side its address or name");
  const base = args.text("directory") ?? ".";
  const sides = [filesOf(base, name, "here", here, there), filesOf(base, name, "there", there, here)];
  const secret = new Uint8Array(PSK_LENGTH);
  systemRandom.fill(secret);
  const psk = pskText(secret);
  try {
    // Both are read before anything is written: what is wrong with an address is told by those who know.
    for (const side of sides) prove(side, psk);
    for (const { directory, configuration, text } of sides) {
      makeDirectory(directory);
      createPrivateFile(join(directory, pskFile(name)), psk);
      createPrivateFile(configuration, new TextEncoder().encode(text));
    }
  } finally {
    wipe(psk);
  }
  tell(name, sides, there, args, io);
  return 0;
}

function sideOf(parameter: string, args: Arguments): PairSide {
  const text = args.parameter(parameter);
  const [, peer, networks] = /^([^\s={}#"]+)=([^\s={}#"]+)$/.exec(text) ?? [];
  if (peer === undefined || networks === undefined)
    throw new UsageError(
      `${parameter} "${text}" is no ADDRESS=NETWORK`,
      "give the address of the gateway and what is behind it, for example 192.0.2.1=10.1.0.0/16",
    );
  return { peer, networks: networks.split(",").join(", ") };
}

function filesOf(base: string, name: string, which: string, own: PairSide, other: PairSide): SideFiles {
  const directory = join(base, `${name}-${which}`);
  return { directory, configuration: join(directory, `${name}.conf`), text: tunnelText(name, own, other) };
}

/** Throws ConfigError. */
function prove({ configuration, text }: SideFiles, psk: Uint8Array): void {
  const octets = new TextEncoder().encode(text);
  const world = { read: () => ({ octets: psk.slice(), mode: 0o600 }), glob: () => [] };
  wipeSecrets(readSwanctl({ name: configuration, octets, mode: 0o600 }, world).config);
}

/** One that is there is taken; what it holds is not overwritten. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "EIO";
    throw Object.assign(new SystemError(code, "mkdir", path, "name another one with --directory"), { cause });
  }
}

function tell(name: string, sides: readonly SideFiles[], there: PairSide, args: Arguments, io: CliIo): void {
  const [own, other] = sides;
  if (own === undefined || other === undefined) return;
  if (args.has("json")) {
    const files = ({ directory, configuration }: SideFiles) => [configuration, join(directory, pskFile(name))];
    io.out(`${JSON.stringify({ ok: true, here: files(own), there: files(other) })}\n`);
    return;
  }
  const host = there.peer === "%any" ? "OTHER-SIDE" : there.peer;
  io.out(`${paint(io, "green", "ok")}: ${own.directory} is for this side, ${other.directory} for the other one

${own.text}
next:
  esplanade check ${own.configuration} && esplanade up ${own.configuration}
  scp -rp ${other.directory} root@${host}:          # then the same there; nobody else should see ${pskFile(name)}
`);
}
