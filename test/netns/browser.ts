/** A headless Chromium inside a box of the lab, asked over its debugging pipe: no port, no library. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as after } from "node:timers/promises";
import type { Box } from "#lab/box";

const PATIENCE = 20_000;

/** Why there is none here; undefined = there is one. */
export function missingBrowser(): string | undefined {
  const { error, status } = spawnSync("chromium", ["--version"], { timeout: PATIENCE });
  return error === undefined && status === 0 ? undefined : "SKIPPED: no chromium: apt-get install chromium";
}

type Reply = Readonly<Record<string, unknown>>;

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export class Browser implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #home: string;
  readonly #to: Writable;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  /** Errors of the page and what its policy refused, as the console has them. */
  readonly complaints: string[] = [];
  #ids = 0;
  #session = "";
  #said = "";

  private constructor(box: Box) {
    this.#home = mkdtempSync(join(tmpdir(), "esplanade-browser-"));
    const words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];
    const home = `--user-data-dir=${this.#home}`;
    this.#process = box.run(() =>
      spawn("chromium", [...words, "--no-first-run", "--remote-debugging-pipe", home, "about:blank"], {
        stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
        detached: true,
      }),
    );
    this.#ended = new Promise((resolve) => this.#process.once("close", () => resolve()));
    this.#to = this.#process.stdio[3] as Writable;
    const from = this.#process.stdio[4] as Readable;
    from.setEncoding("utf8").on("data", (text: string) => this.#take(text));
  }

  static async open(box: Box, url: string, width: number, height: number): Promise<Browser> {
    const browser = new Browser(box);
    try {
      await browser.#attach();
      await browser.#ask("Runtime.enable");
      await browser.#ask("Log.enable");
      await browser.#ask("Page.enable");
      await browser.resize(width, height);
      await browser.#prefer("light");
      await browser.#ask("Page.navigate", { url });
      await browser.#arrived(url);
      return browser;
    } catch (error) {
      await browser[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The page that was navigated to is there whole: questions before that would be asked of the one before it. */
  async #arrived(url: string): Promise<void> {
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      const place = await this.evaluate("location.href + document.readyState").catch(() => undefined);
      if (place === `${url}complete`) return;
      if (performance.now() > deadline) throw new Error(`chromium: ${url} is not there but ${String(place)}`);
      await after(100);
    }
  }

  async #attach(): Promise<void> {
    const { targetId } = await this.#ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#ask("Target.attachToTarget", { targetId, flatten: true });
    this.#session = String(sessionId);
  }

  async resize(width: number, height: number): Promise<void> {
    await this.#ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  }

  /** Value of an expression in the page, or of its promise; it must be data. `within`: milliseconds it may take. */
  async evaluate(expression: string, within = 0): Promise<unknown> {
    const params = { expression, returnByValue: true, awaitPromise: true };
    const reply = await this.#ask("Runtime.evaluate", params, within + PATIENCE);
    if ("exceptionDetails" in reply) throw new Error(`${expression}: ${JSON.stringify(reply["exceptionDetails"])}`);
    const { result } = reply;
    return typeof result === "object" && result !== null && "value" in result ? result.value : undefined;
  }

  /** Who looks prefers the dark from now on. */
  darken(): Promise<void> {
    return this.#prefer("dark");
  }

  async #prefer(value: "dark" | "light"): Promise<void> {
    await this.#ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
  }

  /** Clicks where the first element of the selector is: as a hand would. */
  async click(selector: string): Promise<void> {
    const place = await this.evaluate(
      `(() => { const it = document.querySelector(${JSON.stringify(selector)}); it.scrollIntoView({ block: "center" }); ` +
        "const { x, y, width, height } = it.getBoundingClientRect(); return [x + width / 2, y + height / 2]; })()",
    );
    if (!Array.isArray(place)) throw new Error(`nothing is ${selector}`);
    const [x, y] = place;
    for (const type of ["mousePressed", "mouseReleased"])
      await this.#ask("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
  }

  async type(text: string): Promise<void> {
    await this.#ask("Input.insertText", { text });
  }

  /** PNG of the whole page. */
  async screenshot(): Promise<Uint8Array> {
    const reply = await this.#ask("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
    return Uint8Array.from(Buffer.from(String(reply["data"]), "base64"));
  }

  #ask(method: string, params: Reply = {}, patience: number = PATIENCE): Promise<Reply> {
    const id = ++this.#ids;
    const session = this.#session === "" ? {} : { sessionId: this.#session };
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`chromium: no answer to ${method}`)), patience);
      const settle = (then: () => void) => {
        clearTimeout(late);
        this.#waiting.delete(id);
        then();
      };
      this.#waiting.set(id, {
        resolve: (reply) => settle(() => resolve(reply)),
        reject: (error) => settle(() => reject(error)),
      });
      this.#to.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    });
  }

  #take(text: string): void {
    const messages = (this.#said + text).split("\0");
    this.#said = messages.pop() ?? "";
    for (const message of messages) this.#message(JSON.parse(message));
  }

  #message({
    id,
    result,
    error,
    method,
    params,
  }: {
    id?: number;
    result?: Reply;
    error?: unknown;
    method?: string;
    params?: Reply;
  }): void {
    if (id !== undefined) {
      const waiting = this.#waiting.get(id);
      if (error === undefined) waiting?.resolve(result ?? {});
      else waiting?.reject(new Error(`chromium: ${JSON.stringify(error)}`));
      return;
    }
    if (method === "Runtime.exceptionThrown") this.complaints.push(JSON.stringify(params));
    if (method === "Log.entryAdded" && JSON.stringify(params).includes('"level":"error"'))
      this.complaints.push(JSON.stringify(params));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.#process;
    // A group of its own: what it started goes with it.
    if (pid !== undefined && this.#process.exitCode === null) process.kill(-pid, "SIGKILL");
    await this.#ended;
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
  }
}
