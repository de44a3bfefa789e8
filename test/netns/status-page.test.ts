// The status page in a real browser beside gateway A of the lab's network (src/lab/network.ts): one tunnel that is up and
// rekeys, one whose peer is not there.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectionText, freshSecret, IKE_PLAN, MAIN_FILE, mainFile, secretsText } from "#lab/ike-config";
import { hostA, Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { Browser, missingBrowser } from "./browser.ts";
import { NEEDS_ROOT } from "./root.ts";

const PLACE = "127.0.0.1:9850";
const LONGEST = 30_000;
/** IKE gives a silent peer up after 31.5–35 s (RFC 7296 §2.4). */
const GIVEN_UP = 90_000;
/** PNGs for people who look at them; undefined = none are kept. */
const SCREENSHOTS = process.env["ESPLANADE_SCREENSHOTS"];
const MISSING = missingBrowser();
if (MISSING !== undefined) console.error(MISSING);
const OPTIONS = { ...NEEDS_ROOT, timeout: 180_000, ...(MISSING === undefined ? {} : { skip: MISSING }) };

/** A peer that nobody is. */
const ABSENT = `absent {
  remote_addrs = 192.0.2.77
  local { auth = psk
    id = gw-a }
  remote { auth = psk
    id = gw-c }
  children { lan { remote_ts = 10.7.0.0/24
    start_action = start } }
}`;

/** Asks the page until an expression is true; in the page, so that one question is under way. */
async function until(browser: Browser, what: string, expression: string, longest = LONGEST): Promise<void> {
  const waits = `new Promise((resolve) => { const end = Date.now() + ${longest};
    const look = () => { if (${expression}) resolve(true); else if (Date.now() > end) resolve(false); else setTimeout(look, 100); }; look(); })`;
  if ((await browser.evaluate(waits, longest)) !== true)
    assert.fail(`${what}; the page says: ${String(await browser.evaluate("document.body.innerText"))}`);
}

async function keep(browser: Browser, name: string): Promise<void> {
  const png = await browser.screenshot();
  // "\x89PNG"
  assert.deepEqual([...png.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  if (SCREENSHOTS === undefined) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  writeFileSync(join(SCREENSHOTS, `${name}.png`), png);
}

test("the page shows tunnels, rekeys and failures as they happen, and opens what is clicked", OPTIONS, async () => {
  await using lab = new Lab(1500);
  const { b, a } = await lab.startHosts();
  const secrets = secretsText(freshSecret());
  const plan = { ...IKE_PLAN, startAction: "start", child: "life_bytes = 60M\nrekey_time = 10m" } as const;
  const http = (listen: string) => `esplanade { http { listen = ${listen}\n } }`;
  const left = lab.launchIke(lab.network.gatewayA, {
    [MAIN_FILE]: mainFile(`${connectionText(plan, SITE_A)} ${ABSENT}`, secrets, http(PLACE)),
  });
  const right = lab.launchIke(lab.network.gatewayB, {
    [MAIN_FILE]: mainFile(connectionText({ ...plan, startAction: "none" }, SITE_B), secrets),
  });
  await Promise.all([left.ready(), right.ready()]);
  await using browser = await Browser.open(lab.network.gatewayA, `http://${PLACE}/`, 1200, 900);

  await until(browser, "it is live", `document.querySelector("#live").textContent === "live"`);
  const tunnel = (name: string) => `document.querySelector("[data-tunnel='${name}']")`;
  await until(
    browser,
    "one tunnel is up",
    `/^up/.test(${tunnel("s2s/net")}?.querySelector(".pill").textContent ?? "")`,
  );
  await until(
    browser,
    "one is not",
    `/down|connecting/.test(${tunnel("absent/lan")}?.querySelector(".pill").textContent ?? "")`,
  );
  const first = await browser.evaluate(`document.querySelector("[data-tunnel]").dataset.tunnel`);
  assert.equal(first, "absent/lan", "what is not up comes first");

  // A click opens a tunnel: budgets of time and octets as bars, each SA below.
  assert.equal(await browser.evaluate(`document.querySelectorAll(".details").length`), 0);
  await browser.click("[data-tunnel='s2s/net']");
  await until(browser, "it opens", `document.querySelectorAll(".details [role=meter]").length === 2`);
  assert.equal(await browser.evaluate(`${tunnel("s2s/net")}.getAttribute("aria-expanded")`), "true");
  await b.pull(hostA(a), 10, 10_000_000);
  const meter = `[...document.querySelectorAll("[role=meter]")].map((it) => Number(it.getAttribute("aria-valuenow")))`;
  await until(browser, "the octets' bar fills", `${meter}[1] >= 10`);
  await until(browser, "throughput is drawn", `document.querySelectorAll("#throughput polyline").length === 2`);

  const spis = `[...document.querySelectorAll(".sas td:nth-child(2)")].map((it) => it.textContent).join()`;
  const before = await browser.evaluate(spis);
  await left.act("rekey", "s2s/net");
  await until(
    browser,
    "the rekey is a dot on the time line",
    `document.querySelectorAll("#rekeys .dot.done").length >= 1`,
  );
  await until(browser, "the pair is another one", `${spis} !== ${JSON.stringify(before)}`);

  // Whose peer cannot be reached is told with why and what to do.
  await until(
    browser,
    "the failure has its why",
    `/192\\.0\\.2\\.77/.test(document.querySelector("#failures .reason")?.textContent ?? "")`,
    GIVEN_UP,
  );
  assert.match(
    String(await browser.evaluate(`document.querySelector("#failures .remedy").textContent`)),
    /remote_addrs/,
  );

  await browser.click("#filter");
  await browser.type("s2s");
  await until(browser, "the filter leaves one", `document.querySelectorAll("[data-tunnel]").length === 1`);
  await browser.click("[data-tunnel='s2s/net']");
  await until(browser, "a second click closes it", `document.querySelectorAll(".details").length === 0`);
  await browser.click("[data-tunnel='s2s/net']");
  await until(browser, "a third opens it", `document.querySelectorAll(".details").length === 1`);
  await browser.evaluate(
    `(() => { const it = document.querySelector("#filter"); it.value = ""; it.dispatchEvent(new Event("input")); })()`,
  );
  await keep(browser, "light");

  // On a phone, and in the dark: nothing is wider than the screen.
  await browser.resize(390, 844);
  await until(browser, "it fits a phone", `document.documentElement.scrollWidth <= 390`);
  await keep(browser, "phone");
  const ground = `getComputedStyle(document.body).backgroundColor`;
  const bright = await browser.evaluate(ground);
  await browser.darken();
  await browser.resize(1200, 900);
  await until(browser, "it is dark", `${ground} !== ${JSON.stringify(bright)}`);
  await keep(browser, "dark");

  await left.process.end("SIGKILL");
  await until(
    browser,
    "a gateway that is gone is told",
    `/reconnecting/.test(document.querySelector("#live").textContent)`,
  );
  const lost = /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY/;
  assert.deepEqual(
    browser.complaints.filter((text) => !lost.test(text)),
    [],
    "no error, and nothing that the page's policy refused",
  );
});
