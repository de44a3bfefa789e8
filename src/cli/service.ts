/** `esplanade service install|print|remove`: the gateway of a file as a systemd service. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { SystemError } from "#core/errors";
import { nearest } from "#core/nearest";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, UsageError } from "./command.ts";
import { needsOf, type ServiceNeeds } from "./service/needs.ts";
import { MADE_BY, type ServiceUser, sysusersText, unitText } from "./service/unit.ts";

const UNITS = "/etc/systemd/system";
const SYSUSERS = "/etc/sysusers.d";
const ACTIONS = ["install", "print", "remove"];
const FILE = "/etc/esplanade/esplanade.conf";
const CREDENTIALS = "/etc/esplanade/credentials";
const NAME = "esplanade";
/** What ProtectHome hides. */
const HIDDEN = /^\/(home|root|run\/user)\//;

export const service: Command = {
  name: "service",
  summary: "make the gateway of a file a systemd service, print its unit, or remove it",
  parameters: ["install|print|remove", "[FILE]"],
  options: {
    name: { type: "string", value: "NAME", help: `of the unit and of its directory in /run (${NAME})` },
    user: { type: "string", value: "NAME", help: "an account of the system, root too (one that systemd makes for it)" },
    credentials: { type: "string", value: "PATH", help: `directory of the credentials FILE names (${CREDENTIALS})` },
    directory: {
      type: "string",
      value: "PATH",
      help: `where the unit goes (${UNITS}); another one is not told systemd`,
    },
  },
  examples: [
    "esplanade service install /etc/esplanade/esplanade.conf",
    "esplanade service install /etc/swanctl/swanctl.conf --user root",
    "esplanade service print > e.service && systemd-analyze security --offline=true ./e.service",
    "esplanade service remove",
  ],
  run,
};

interface Place {
  readonly name: string;
  readonly unit: string;
  readonly sysusers: string;
  /** systemd looks there. */
  readonly live: boolean;
}

async function run(args: Arguments, io: CliIo): Promise<number> {
  const action = args.parameter("install|print|remove");
  const place = placeOf(args);
  if (action === "print") io.out(textsOf(place, args, io).unit);
  else if (action === "install") return install(place, args, io);
  else if (action === "remove") return remove(place, io);
  else {
    const meant = nearest(action, ACTIONS);
    throw new UsageError(
      `"${action}" is nothing to do with a service`,
      meant === undefined ? `choose one of ${ACTIONS.join(", ")}` : `did you mean "${meant}"?`,
    );
  }
  return 0;
}

function placeOf(args: Arguments): Place {
  const name = args.text("name") ?? NAME;
  // systemd.unit(5) allows more; it is a name in /run too.
  if (!/^[a-z][a-z0-9_-]{0,30}$/.test(name))
    throw new UsageError(`--name ${name} is no name of a unit`, "take up to 31 small letters, digits, - and _");
  const directory = args.text("directory") ?? UNITS;
  const live = resolve(directory) === UNITS;
  return { name, unit: join(directory, `${name}.service`), sysusers: join(SYSUSERS, `${name}.conf`), live };
}

interface Texts {
  readonly unit: string;
  /** undefined: no account has to be there. */
  readonly sysusers: string | undefined;
  readonly needs: ServiceNeeds | undefined;
  readonly user: ServiceUser;
  readonly file: string;
}

/** Throws ConfigError, SystemError. */
function textsOf({ name }: Place, args: Arguments, io: CliIo): Texts {
  const file = resolve(args.optional("[FILE]") ?? FILE);
  const account = args.text("user");
  if (account !== undefined && !/^[a-z_][a-z0-9_-]{0,30}$/.test(account))
    throw new UsageError(`--user ${account} is no name of an account`, "for example --user esplanade");
  const user: ServiceUser = account === undefined ? { kind: "dynamic", name } : { kind: "account", name: account };
  const directory = resolve(args.text("credentials") ?? CREDENTIALS);
  const needs = existsSync(file) ? needsOf(file, directory, io) : undefined;
  const credentials = new Map((needs?.credentials ?? []).map((one) => [one, join(directory, one)]));
  const unit = unitText({ name, program: program(), file, user, credentials });
  return {
    unit,
    sysusers: account === undefined || account === "root" ? undefined : sysusersText(account),
    needs,
    user,
    file,
  };
}

/** This very program, by whole paths: a service has no PATH of its own to find others. */
function program(): readonly string[] {
  return [process.execPath, realpathSync(fileURLToPath(import.meta.resolve("#cli/esplanade")))];
}

function install(place: Place, args: Arguments, io: CliIo): number {
  const texts = textsOf(place, args, io);
  const hidden = program().find((path) => HIDDEN.test(path));
  if (hidden !== undefined && place.live)
    return failed(
      io,
      `${hidden} is in a home directory, which no service can see; install Node and Esplanade below /usr or /opt`,
    );
  if (texts.needs === undefined)
    return failed(io, `${texts.file}: there is no such file; write it first, or name another one`);
  const files = new Map([[place.unit, texts.unit]]);
  if (texts.sysusers !== undefined && place.live && !existsSync(`/etc/sysusers.d/${place.name}.conf`))
    files.set(place.sysusers, texts.sysusers);
  for (const path of files.keys()) {
    const why = foreign(path);
    if (why !== undefined) return failed(io, why);
  }
  for (const [path, text] of files) {
    write(path, text);
    io.out(`${paint(io, "green", "ok")}: ${path}\n`);
  }
  if (place.live) {
    if (files.has(place.sysusers)) tell(io, "systemd-sysusers", place.sysusers);
    tell(io, "systemctl", "daemon-reload");
  }
  for (const line of readersOf(texts)) io.err(`${paint(io, "yellow", "warning")}: ${line}\n`);
  io.out(`\nnext:\n  systemctl enable --now ${place.name}\n  systemctl status ${place.name}\n`);
  io.out(`  esplanade status --socket /run/${place.name}/control.sock\n`);
  return 0;
}

/** What the service's user will not be able to read; reloads read everything again. */
function readersOf({ needs, user, file }: Texts): string[] {
  if (user.name === "root") return [];
  const files = [...(needs?.privateFiles ?? [])];
  if (user.kind === "account")
    return files.length === 0 ? [] : [`${user.name} must be able to read: ${files.map(([path]) => path).join(" ")}`];
  return files.map(([path, mode]) => {
    const bits = (mode & 0o777).toString(8);
    const remedy =
      path === file
        ? `put its secrets into credentials (psk = credential:NAME) and chmod 644 ${path}`
        : "name it credential:NAME in the configuration";
    return `${path} (mode ${bits}) cannot be read by the account that systemd makes: ${remedy}, or take --user root`;
  });
}

function remove(place: Place, io: CliIo): number {
  if (!existsSync(place.unit))
    return failed(io, `${place.unit}: there is no such unit; --name or --directory names another`);
  const why = foreign(place.unit);
  if (why !== undefined) return failed(io, why);
  if (place.live && !tell(io, "systemctl", "disable", "--now", `${place.name}.service`))
    return failed(io, `${place.unit} stays as it is: it may still run`);
  const gone = [place.unit, ...(place.live && existsSync(place.sysusers) ? [place.sysusers] : [])];
  for (const path of gone) {
    if (foreign(path) !== undefined) continue;
    tried("unlink", path, () => rmSync(path));
    io.out(`${paint(io, "green", "removed")}: ${path}\n`);
  }
  if (place.live) tell(io, "systemctl", "daemon-reload");
  return 0;
}

/** A file that somebody else made stays as it is. */
function foreign(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const text = tried("open", path, () => readFileSync(path, "utf8"));
  return text.startsWith(MADE_BY) ? undefined : `${path} is not of our making and stays as it is: take another --name`;
}

function write(path: string, text: string): void {
  tried("mkdir", dirname(path), () => mkdirSync(dirname(path), { recursive: true }));
  tried("open", path, () => writeFileSync(path, text, { mode: 0o644 }));
}

/** Whether the program did it; its words are the operator's to read. */
function tell(io: CliIo, program: string, ...words: readonly string[]): boolean {
  const { error, status, stderr } = spawnSync(program, words, { encoding: "utf8" });
  if (error === undefined && status === 0) return true;
  const why = error === undefined ? stderr.trim() : "it is not here";
  io.err(`${paint(io, "yellow", "warning")}: ${[program, ...words].join(" ")} was not done: ${why}\n`);
  return false;
}

function failed(io: CliIo, why: string): number {
  io.err(`${paint(io, "red", "esplanade")}: ${why}\n`);
  return 1;
}

function tried<Result>(syscall: string, path: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "EIO";
    const remedy = code === "EACCES" || code === "EPERM" ? "run it as root" : "look at the directory";
    throw Object.assign(new SystemError(code, syscall, path, remedy), { cause });
  }
}
