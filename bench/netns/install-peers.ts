/**
 * `npm run bench:peers`: installs the other implementations from Debian's packages, and unpacks the newer wireguard-go
 * of its backports into a cache, without touching the machine's package sources.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianMirror } from "./debian-mirror.ts";
import { peersDirectory } from "./peers/roster.ts";
import { CommandError, run } from "./process.ts";

const PACKAGES = [
  "iproute2 iputils-ping iperf3 procps util-linux openssl",
  "openvpn wireguard-tools wireguard-go",
  "charon-systemd strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins",
  "libstrongswan-extra-plugins",
].flatMap((line) => line.split(" "));
const POLICY = "/usr/sbin/policy-rc.d";
const SOURCES = "/etc/apt/sources.list.d";
const BACKPORTS = "bookworm-backports";
const NOT_INTERACTIVE = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"] as const;

function say(line: string): void {
  process.stderr.write(`bench:peers: ${line}\n`);
}

/** Debian's maintainer scripts start daemons; policy-rc.d tells them not to (invoke-rc.d(8)). */
function installPackages(): void {
  const ours = !existsSync(POLICY);
  if (ours) {
    writeFileSync(POLICY, "#!/bin/sh\nexit 101\n");
    chmodSync(POLICY, 0o755);
  }
  try {
    const [env, ...rest] = NOT_INTERACTIVE;
    run(env, ...rest, "install", "--no-install-recommends", ...PACKAGES);
  } finally {
    if (ours) rmSync(POLICY);
  }
}

function unpackBackport(directory: string): void {
  const destination = join(directory, "wireguard-go-2023");
  if (existsSync(join(destination, "usr/bin/wireguard-go"))) return;
  const mirror = debianMirror(sourceFiles());
  if (mirror === undefined) throw new CommandError("no Debian mirror among the machine's package sources");
  const lists = join(directory, "lists");
  mkdirSync(join(lists, "partial"), { recursive: true });
  const file = join(directory, "backports.list");
  const key = "/usr/share/keyrings/debian-archive-keyring.gpg";
  writeFileSync(file, `deb [signed-by=${key}] ${mirror} ${BACKPORTS} main\n`);
  // A package list of its own: the machine's stays as it is.
  const alone = [
    "-o",
    `Dir::Etc::sourcelist=${file}`,
    "-o",
    "Dir::Etc::sourceparts=-",
    "-o",
    `Dir::State::lists=${lists}`,
  ];
  run("apt-get", "-q", ...alone, "update");
  run("sh", "-c", 'cd "$1" && shift && exec apt-get -q "$@"', "sh", directory, ...alone, "download", "wireguard-go");
  const archive = readdirSync(directory).find((name) => /^wireguard-go_.*\.deb$/.test(name));
  if (archive === undefined) throw new CommandError("the backport package did not arrive");
  run("dpkg", "-x", join(directory, archive), destination);
  writeFileSync(join(destination, "version"), run("dpkg-deb", "-f", join(directory, archive), "Version"));
  rmSync(lists, { recursive: true });
}

function sourceFiles(): string[] {
  const parts = existsSync(SOURCES) ? readdirSync(SOURCES).map((name) => join(SOURCES, name)) : [];
  return ["/etc/apt/sources.list", ...parts]
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, "utf8"));
}

try {
  const directory = peersDirectory();
  mkdirSync(directory, { recursive: true });
  say("installing packages ...");
  installPackages();
  say("unpacking wireguard-go of the backports ...");
  unpackBackport(directory);
  say("done");
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  say(error.message);
  say("remedy: run as root on Debian 12 with its package sources reachable (apt-get update)");
  process.exitCode = 1;
}
