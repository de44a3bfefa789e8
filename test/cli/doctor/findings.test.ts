import assert from "node:assert/strict";
import test from "node:test";
import { credentialFindings } from "#cli/doctor/credentials";
import { kernelFindings } from "#cli/doctor/kernel";
import type { Machine } from "#cli/doctor/machine";
import { masqueradeFinding } from "#cli/doctor/masquerade";
import { portFindings } from "#cli/doctor/ports";

const FILES: Readonly<Record<string, string>> = {
  "/proc/self/status": "Name:\tnode\nCapEff:\t000001ffffffffff\n",
  "/proc/sys/net/ipv4/ip_forward": "1\n",
  "/proc/sys/net/ipv4/conf/all/rp_filter": "0\n",
  "/proc/sys/net/core/rmem_max": "4194304\n",
  "/proc/sys/net/core/wmem_max": "4194304\n",
  "/proc/cpuinfo": "processor: 0\nflags\t\t: fpu aes avx2 vaes\n",
};

function machine(files: Readonly<Record<string, string>>, more: Partial<Machine> = {}): Machine {
  const all = { ...FILES, ...files };
  return {
    read: (path) => all[path],
    list: () => [],
    link: () => undefined,
    mode: () => 0o600,
    run: () => undefined,
    now: () => Date.UTC(2026, 5, 1),
    way: () => undefined,
    routes: () => [],
    resolve: async () => [],
    ...more,
  };
}

test("a machine that is well gets no complaint", () => {
  assert.deepEqual(
    kernelFindings(machine({}), "esp0").filter(({ level }) => level !== "ok"),
    [],
  );
});

const COMPLAINTS: readonly (readonly [
  check: string,
  level: string,
  files: Record<string, string>,
  more: Partial<Machine>,
  remedy: RegExp,
])[] = [
  ["tun", "fail", {}, { mode: () => undefined }, /^modprobe tun/],
  ["capabilities", "fail", { "/proc/self/status": "CapEff:\t0000000000000400\n" }, {}, /root|systemd/],
  ["ip_forward", "warn", { "/proc/sys/net/ipv4/ip_forward": "0\n" }, {}, /^sysctl -w net\.ipv4\.ip_forward=1$/],
  [
    "rp_filter",
    "warn",
    { "/proc/sys/net/ipv4/conf/esp0/rp_filter": "1\n" },
    {},
    /^sysctl -w net\.ipv4\.conf\.esp0\.rp_filter=2$/,
  ],
  ["rmem_max", "warn", { "/proc/sys/net/core/rmem_max": "212992\n" }, {}, /^sysctl -w net\.core\.rmem_max=4194304$/],
  ["cpu", "warn", { "/proc/cpuinfo": "flags\t: fpu sse2\n" }, {}, /chacha20poly1305/],
];
for (const [check, level, files, more, remedy] of COMPLAINTS)
  test(`doctor ${check}: what is wrong is said with the command that mends it`, () => {
    const found = kernelFindings(machine(files, more), "esp0").filter((one) => one.level !== "ok");
    assert.deepEqual(
      found.map((one) => [one.check, one.level]),
      [[check, level]],
    );
    assert.match(found[0]?.remedy ?? "", remedy);
  });

test("missing capabilities are named", () => {
  const [found] = kernelFindings(machine({ "/proc/self/status": "CapEff:\t0000000000001000\n" }), "esp0").filter(
    ({ check }) => check === "capabilities",
  );
  assert.equal(found?.text, "CAP_NET_RAW, CAP_NET_BIND_SERVICE is missing");
});

const UDP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  12: 00000000:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4242 2 0000000000000000 0
`;

test("the owner of UDP 500 is named, with how to end it; our own gateway is no stranger", () => {
  const world = machine(
    { "/proc/net/udp": UDP, "/proc/77/comm": "charon\n" },
    {
      list: (path) => (path === "/proc" ? ["1", "77", "self"] : path === "/proc/77/fd" ? ["3", "9"] : []),
      link: (path) => (path === "/proc/77/fd/9" ? "socket:[4242]" : "/dev/null"),
    },
  );
  const [taken, free] = portFindings(world, undefined, [500, 4500]);
  assert.deepEqual(taken, {
    check: "udp-500",
    level: "fail",
    text: "UDP 500 belongs to charon (pid 77)",
    remedy: "systemctl disable --now strongswan-starter",
  });
  assert.equal(free?.level, "ok");
  assert.equal(portFindings(world, 77, [500])[0]?.text, "UDP 500 is our gateway's");
});

const CHAIN = { chain: { family: "ip", table: "nat", name: "post", type: "nat", hook: "postrouting", handle: 1 } };
const rule = (...expr: readonly object[]) => ({ rule: { family: "ip", table: "nat", chain: "post", handle: 7, expr } });
const device = (op: string, right: unknown) => ({ match: { op, left: { meta: { key: "oifname" } }, right } });
const MASQUERADE = { masquerade: null };
const SOURCE = {
  match: { op: "==", left: { payload: { protocol: "ip", field: "saddr" } }, right: "10.1.0.0" },
};

const RULESETS: readonly (readonly [what: string, level: string, rules: readonly object[]])[] = [
  ["masquerade for all devices eats the tunnel", "fail", [rule(MASQUERADE)]],
  ["masquerade of our own network eats it too", "fail", [rule(SOURCE, MASQUERADE)]],
  ["iptables' rule is the same", "fail", [rule({ xt: { type: "target", name: "MASQUERADE" } })]],
  ["SNAT is the same", "fail", [rule({ snat: { addr: "192.0.2.1" } })]],
  ["a rule for another device is harmless", "ok", [rule(device("==", "wan"), MASQUERADE)]],
  ["a rule for every device but the tunnel's is harmless", "ok", [rule(device("!=", "esp0"), MASQUERADE)]],
  ["a rule for a set with the tunnel's is not", "fail", [rule(device("==", { set: ["wan", "esp0"] }), MASQUERADE)]],
  ["what is accepted before is not translated", "ok", [rule(device("==", "esp0"), { accept: null }), rule(MASQUERADE)]],
  [
    "an exception for another device helps nobody",
    "fail",
    [rule(device("==", "lan"), { accept: null }), rule(MASQUERADE)],
  ],
  ["an exception for some sources alone is none", "fail", [rule(SOURCE, { accept: null }), rule(MASQUERADE)]],
];
for (const [what, level, rules] of RULESETS)
  test(`doctor masquerade: ${what}`, () => {
    const text = JSON.stringify({ nftables: [{ metainfo: {} }, CHAIN, ...rules] });
    const found = masqueradeFinding(machine({}, { run: () => text }), "esp0");
    assert.equal(found.level, level, found.text);
    if (level === "fail") assert.equal(found.remedy, 'nft insert rule ip nat post oifname "esp0" accept');
  });

test("a clock of long ago and files that others may read are told", () => {
  const [clock] = credentialFindings(machine({}, { now: () => 0 }), undefined, undefined);
  assert.deepEqual([clock?.level, clock?.remedy], ["fail", "timedatectl set-ntp true"]);
  const found = credentialFindings(machine({}, { mode: () => 0o644 }), undefined, "/etc/hq.conf");
  assert.equal(found.at(-1)?.remedy, "chmod 600 /etc/hq.conf");
});
