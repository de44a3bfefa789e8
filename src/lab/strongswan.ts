/**
 * A live peer that none of us wrote: strongSwan's charon in a box of the lab, with ESP in user space (kernel-libipsec over
 * a TUN of its own). It knows neither AH, transport mode nor ESN. Driven by swanctl over a vici socket in its directory.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import type { Box } from "./box.ts";
import { LabError, LabProcess } from "./children.ts";

const CHARON = "/usr/sbin/charon-systemd";
const LIBIPSEC = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so";
const START_MILLIS = 15_000;
const COMMAND_MILLIS = 20_000;

/** Whichever plugin registers an algorithm first is used; kernel-libipsec before kernel-netlink owns SAs and policies. */
const PLUGINS =
  "openssl aesni aes des sha1 sha2 sha3 md5 gmp gcm ccm ctr chapoly curve25519 xcbc cmac hmac kdf drbg random nonce x509 " +
  "pubkey pkcs1 pkcs8 pem revocation constraints kernel-libipsec kernel-netlink socket-default vici updown counters";

/** The programs of another strongSwan than the installed one: words that go in front of charon and swanctl. */
export interface StrongswanBuild {
  readonly charon: readonly string[];
  readonly swanctl: readonly string[];
  /** More plugins, in front of the others: "ml". */
  readonly plugins: string;
}

const INSTALLED: StrongswanBuild = { charon: [CHARON], swanctl: ["swanctl"], plugins: "" };

/** A line for `daemon`: without it charon answers no aggressive mode with a secret. */
export const AGGRESSIVE_WITH_SECRET = "i_dont_care_about_security_and_use_aggressive_mode_psk = yes";

export interface StrongswanPlan {
  /** Body of `connections { … }`. */
  readonly connections: string;
  /** Body of `secrets { … }`. */
  readonly secrets: string;
  /** Path below its swanctl directory ("x509ca/ca.pem") → content. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Lines for the section charon-systemd: "retransmit_tries = 2". */
  readonly daemon?: string;
  /** Lines for kernel-libipsec: "raw_esp = yes" (strongSwan ≥ 5.9.11). */
  readonly libipsec?: string;
  readonly build?: StrongswanBuild;
}

/** What of the installed strongSwan is not there; undefined when all is. */
export function missingStrongswan(): string | undefined {
  if (!existsSync(CHARON) || !existsSync(LIBIPSEC)) return "no charon-systemd with kernel-libipsec here";
  const { status } = spawnSync("swanctl", ["--version"], { stdio: "ignore" });
  return status === null ? "no swanctl here" : undefined;
}

export class Strongswan implements AsyncDisposable {
  readonly #box: Box;
  readonly #home: string;
  readonly #build: StrongswanBuild;
  readonly #process: LabProcess;

  private constructor(box: Box, home: string, build: StrongswanBuild, process: LabProcess) {
    this.#box = box;
    this.#home = home;
    this.#build = build;
    this.#process = process;
  }

  /** A charon that has loaded the plan and waits. */
  static async start(box: Box, plan: StrongswanPlan): Promise<Strongswan> {
    const home = mkdtempSync(join(tmpdir(), "esplanade-strongswan-"));
    const build = plan.build ?? INSTALLED;
    writeHome(home, plan, build);
    return Strongswan.startIn(box, home, build);
  }

  /** The same with files that are there: strongswan.conf, which puts vici and charon.log beside itself, and swanctl/; removed at the end. */
  static async startIn(box: Box, home: string, build: StrongswanBuild = INSTALLED): Promise<Strongswan> {
    // What it decapsulates comes in by its TUN, from addresses that are routed elsewhere.
    for (const scope of ["all", "default"]) box.sysctl(`net/ipv4/conf/${scope}/rp_filter`, "0");
    const [program = "", ...words] = build.charon;
    const env = { ...process.env, STRONGSWAN_CONF: join(home, "strongswan.conf") };
    const child = box.run(() => spawn(program, words, { env, stdio: ["ignore", "pipe", "pipe"] }));
    const peer = new Strongswan(box, home, build, new LabProcess(`strongSwan of ${box.name}`, child));
    try {
      await peer.until("its vici socket", START_MILLIS, () => existsSync(join(home, "vici")));
      await peer.swanctl("--load-all");
      return peer;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs swanctl; its output, or an error with the output and the end of charon's log. */
  async swanctl(...words: readonly string[]): Promise<string> {
    const { status, output } = await this.trySwanctl(...words);
    if (status !== 0) throw new LabError(`swanctl ${words.join(" ")}: ${status}\n${output}\n${this.logTail()}`);
    return output;
  }

  trySwanctl(...words: readonly string[]): Promise<{ readonly status: number | null; readonly output: string }> {
    const [program = "", ...front] = this.#build.swanctl;
    const env = {
      ...process.env,
      STRONGSWAN_CONF: join(this.#home, "strongswan.conf"),
      SWANCTL_DIR: join(this.#home, "swanctl"),
    };
    const all = [...front, ...words, "--uri", `unix://${join(this.#home, "vici")}`];
    const child = this.#box.run(() => spawn(program, all, { env, stdio: ["ignore", "pipe", "pipe"] }));
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    const overdue = setTimeout(() => child.kill("SIGKILL"), COMMAND_MILLIS);
    return new Promise((resolve) => {
      child.once("error", (error) => {
        clearTimeout(overdue);
        resolve({ status: null, output: error.message });
      });
      child.once("close", (status) => {
        clearTimeout(overdue);
        resolve({ status, output });
      });
    });
  }

  initiate(child: string): Promise<string> {
    return this.swanctl("--initiate", "--child", child, "--timeout", "10");
  }

  /** Of one connection, or all. */
  listSas(connection?: string): Promise<string> {
    return this.swanctl("--list-sas", ...(connection === undefined ? [] : ["--ike", connection]));
  }

  get log(): string {
    const path = join(this.#home, "charon.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  logTail(lines = 25): string {
    return this.log.split("\n").slice(-lines).join("\n");
  }

  /** Looks every 20 ms; fails with the log's end. */
  async until(what: string, millis: number, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + millis;
    let over: number | string | undefined;
    void this.#process.ended.then((status) => {
      over = status;
    });
    while (!(await holds())) {
      if (over !== undefined) throw this.#process.failure(`ended with ${over} before ${what}`);
      if (performance.now() > deadline) throw new LabError(`${what}: not within ${millis} ms\n${this.logTail()}`);
      await after(20);
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  signal(name: NodeJS.Signals): void {
    this.#process.signal(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end("SIGTERM");
    rmSync(this.#home, { recursive: true, force: true });
  }
}

function writeHome(home: string, plan: StrongswanPlan, build: StrongswanBuild): void {
  const swanctl = join(home, "swanctl");
  for (const directory of ["x509", "x509ca", "x509crl", "pubkey", "private", "rsa", "ecdsa", "pkcs8"])
    mkdirSync(join(swanctl, directory), { recursive: true });
  writeFileSync(join(home, "strongswan.conf"), daemonConfiguration(home, plan, build));
  const text = `connections {\n${plan.connections}\n}\nsecrets {\n${plan.secrets}\n}\n`;
  writeFileSync(join(swanctl, "swanctl.conf"), text, { mode: 0o600 });
  for (const [path, content] of Object.entries(plan.files ?? {}))
    writeFileSync(join(swanctl, path), content, { mode: 0o600 });
}

function daemonConfiguration(home: string, plan: StrongswanPlan, build: StrongswanBuild): string {
  return `
charon-systemd {
  load = ${build.plugins} ${PLUGINS}
  ${plan.daemon ?? ""}
  filelog {
    log {
      path = ${home}/charon.log
      flush_line = yes
      default = 1
    }
  }
  journal {
    default = -1
  }
  plugins {
    vici {
      socket = unix://${home}/vici
    }
    kernel-libipsec {
      ${plan.libipsec ?? ""}
    }
  }
}
swanctl {
  load = openssl pem pkcs1 pkcs8 x509 pubkey random
}
`;
}
