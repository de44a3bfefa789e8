import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseAddress } from "#core/address";
import { type TunnelNews, UpdownPrograms, updownEnvironments } from "#process/updown";
import { selector } from "#test/sim/specs";

function endpoint(text: string): TunnelNews["local"] {
  const address = parseAddress(text);
  assert.ok(address);
  return { address, port: 4500 };
}

const NEWS: TunnelNews = {
  state: "up",
  connection: "hq",
  child: "net",
  updown: "",
  local: endpoint("192.0.2.1"),
  remote: endpoint("192.0.2.2"),
  localSelectors: [selector("10.1.0.0/24"), selector("fd01::/64")],
  remoteSelectors: [selector("10.2.0.0/24"), selector("fd02::/64")],
};
const CONTEXT = { interface: "esp0", localIdentity: "gw-a", remoteIdentity: "CN=gw-b; rm -rf /" };

test("a program learns of each pair of one family by the variables strongSwan's scripts know", () => {
  const names = ["VERB", "MY_CLIENT", "PEER_CLIENT", "ME", "PEER", "INTERFACE", "CONNECTION"];
  const told = (news: TunnelNews) =>
    updownEnvironments(news, CONTEXT).map((env) => names.map((name) => env[`PLUTO_${name}`]));
  assert.deepEqual(told(NEWS), [
    ["up-client", "10.1.0.0/24", "10.2.0.0/24", "192.0.2.1", "192.0.2.2", "esp0", "net"],
    ["up-client-v6", "fd01::/64", "fd02::/64", "192.0.2.1", "192.0.2.2", "esp0", "net"],
  ]);
  const [host] = told({ ...NEWS, state: "down", localSelectors: [selector("192.0.2.1")] });
  assert.equal(host?.[0], "down-host");
});

async function withScript(script: string, work: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "updown-"));
  try {
    const path = join(folder, "updown");
    writeFileSync(path, script, { mode: 0o755 });
    await work(path, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("programs of a tunnel run one after the other, without a shell and without our environment", () =>
  withScript('#!/bin/sh\necho "$2 $PLUTO_VERB $PLUTO_PEER_ID $HOME" >> "$1"\n', async (path, folder) => {
    const out = join(folder, "out");
    const programs = new UpdownPrograms((text) => assert.fail(text));
    const news = { ...NEWS, updown: `${path} ${out} $(id)`, localSelectors: [selector("10.1.0.0/24")] };
    programs.tell(news, CONTEXT);
    programs.tell({ ...news, state: "down" }, CONTEXT);
    await programs.idle();
    const said = (verb: string) => `$(id) ${verb}-client ${CONTEXT.remoteIdentity} `;
    assert.deepEqual(readFileSync(out, "utf8").split("\n"), [said("up"), said("down"), ""]);
  }));

test("a program that fails or is not there is told in one line", () =>
  withScript('#!/bin/sh\necho "no such table" >&2\nexit 3\n', async (path) => {
    const warnings: string[] = [];
    const programs = new UpdownPrograms((text) => warnings.push(text));
    const one = { ...NEWS, localSelectors: [selector("10.1.0.0/24")] };
    programs.tell({ ...one, updown: path }, CONTEXT);
    programs.tell({ ...one, updown: `${path}-missing` }, CONTEXT);
    await programs.idle();
    assert.deepEqual(warnings, [
      `hq/net: updown up-client: ${path} failed with 3: no such table`,
      `hq/net: updown up-client: there is no program ${path}-missing: give its whole path`,
    ]);
  }));
