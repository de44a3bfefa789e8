import assert from "node:assert/strict";
import { test } from "node:test";
import { findAccount } from "#io/account";
import { rightsText, runAs } from "#process/privileges";

const status = (effective: string, bounding: string, closed: string) =>
  `Name:\tnode\nCapPrm:\t${effective}\nCapEff:\t${effective}\nCapBnd:\t${bounding}\nNoNewPrivs:\t${closed}\n`;

for (const [text, said] of [
  [
    status("0000000000003400", "0000000000003400", "1"),
    "runs as gw with CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW; gave up all others for good",
  ],
  [
    status("0000000000003400", "000001ffffffffff", "1"),
    "runs as gw with CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW; may get more",
  ],
  [status("0000000000001000", "0000000000003400", "0"), "runs as gw with CAP_NET_ADMIN; may get more"],
  [
    status("0000000000203400", "0000000000203400", "1"),
    "runs as gw with CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW, others (0x200000); may get more",
  ],
  [status("0000000000000000", "0000000000000000", "1"), "runs as gw with no rights; gave up all others for good"],
] as const)
  test(`rights of a process are told as the kernel has them: ${said.slice("runs as gw with ".length)}`, () => {
    assert.equal(rightsText("gw", text), said);
  });

test("accounts are found with their groups; root and those there are not are refused with what to do", () => {
  const root = findAccount("root");
  assert.deepEqual([root?.uid, root?.gid, root?.groups.includes(0)], [0, 0, true]);
  assert.equal(findAccount("no-such-account"), undefined);
  assert.throws(
    () => runAs("no-such-account", []),
    /--user no-such-account: .*ENOENT; .*useradd --system no-such-account/,
  );
  assert.throws(() => runAs("root", []), /root gives nothing up/);
});
