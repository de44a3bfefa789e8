/** Debian's swanctl, unmodified, asking a gateway of ours over its vici socket. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const PATIENCE = 20_000;
/** What swanctl(8) looks into. */
const DIRECTORIES = "x509 x509ca x509ocsp x509aa x509ac x509crl pubkey private rsa ecdsa bliss pkcs8 pkcs12".split(" ");

export interface Spoken {
  readonly status: number | null;
  readonly output: string;
}

/** What somebody has already: nothing of it is changed or removed. */
export class OperatorsFiles {
  /** With swanctl.conf, x509, private … */
  readonly directory: string;
  /** strongswan.conf. */
  readonly settings: string;

  constructor(directory: string, settings: string) {
    this.directory = directory;
    this.settings = settings;
  }
}

export class Swanctl implements Disposable {
  readonly #vici: string;
  readonly #home: string;
  readonly #settings: string;
  readonly #own: boolean = false;
  readonly #running = new Set<ChildProcess>();

  /** With a directory of its own that has these files, swanctl.conf among them; or with an operator's. */
  constructor(vici: string, files: Readonly<Record<string, string | Uint8Array>> | OperatorsFiles = {}) {
    this.#vici = vici;
    if (files instanceof OperatorsFiles) {
      this.#home = files.directory;
      this.#settings = files.settings;
      return;
    }
    this.#home = mkdtempSync(join(tmpdir(), "esplanade-swanctl-"));
    this.#settings = join(this.#home, "strongswan.conf");
    this.#own = true;
    for (const name of DIRECTORIES) mkdirSync(join(this.#home, name));
    writeFileSync(this.#settings, "swanctl {\n  load = openssl pem pkcs1 pkcs8 x509 pubkey random\n}\n");
    this.write(files);
  }

  write(files: Readonly<Record<string, string | Uint8Array>>): void {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.#home, path)), { recursive: true });
      writeFileSync(join(this.#home, path), content, { mode: 0o600 });
    }
  }

  remove(path: string): void {
    rmSync(join(this.#home, path));
  }

  /** Standard output and error, in their order. */
  try(...words: readonly string[]): Promise<Spoken> {
    const child = this.start(...words);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    const overdue = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => {
        clearTimeout(overdue);
        resolve({ status, output });
      });
    });
  }

  /** The output; throws where swanctl says that it failed. */
  async run(...words: readonly string[]): Promise<string> {
    const { status, output } = await this.try(...words);
    if (status !== 0) throw new Error(`swanctl ${words.join(" ")}: ${status}\n${output}`);
    return output;
  }

  /** One that goes on, as --monitor-sa and --log do. */
  start(...words: readonly string[]): ChildProcess {
    const env = {
      ...process.env,
      STRONGSWAN_CONF: this.#settings,
      SWANCTL_DIR: this.#home,
      TZ: "UTC",
    };
    // Into a pipe it would say all at its end.
    const all = ["-oL", "swanctl", ...words, "--uri", `unix://${this.#vici}`];
    const child = spawn("stdbuf", all, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#running.add(child);
    child.once("close", () => this.#running.delete(child));
    return child;
  }

  [Symbol.dispose](): void {
    for (const child of this.#running) child.kill("SIGKILL");
    if (this.#own) rmSync(this.#home, { recursive: true, force: true });
  }
}
