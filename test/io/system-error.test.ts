import assert from "node:assert/strict";
import { test } from "node:test";
import { SystemError } from "#core/errors";
import { fromThrown, succeed, systemError } from "#io/system-error";

const REMEDIES: readonly (readonly [syscall: string, code: string, remedy: RegExp])[] = [
  ["open /dev/net/tun", "ENOENT", /modprobe tun, or in a container --device \/dev\/net\/tun/],
  ["open /dev/net/tun", "ENODEV", /modprobe tun/],
  ["open /dev/net/tun", "EACCES", /access to \/dev\/net\/tun/],
  ["TUNSETIFF", "EPERM", /CAP_NET_ADMIN/],
  ["TUNSETIFF", "EBUSY", /another process has this TUN device open/],
  ["TUNSETIFF", "EINVAL", /another kind exists/],
  ["read TUN", "EBADFD", /somebody removed the TUN device/],
  ["RTM_NEWROUTE", "EPERM", /CAP_NET_ADMIN/],
  ["SO_MARK", "EPERM", /CAP_NET_ADMIN/],
  ["socket", "EPERM", /CAP_NET_RAW/],
  ["bind", "EACCES", /CAP_NET_BIND_SERVICE/],
  ["bind", "EADDRNOTAVAIL", /no interface of this host has the address/],
  ["unshare", "EPERM", /CAP_SYS_ADMIN/],
  ["SO_ATTACH_REUSEPORT_CBPF", "ENOPROTOOPT", /"lanes": 1/],
  ["SO_ATTACH_FILTER", "ENOMEM", /optmem_max/],
  ["eventfd", "EMFILE", /ulimit -n/],
];

for (const [syscall, code, remedy] of REMEDIES)
  test(`${syscall} with ${code} says what to do`, () => {
    const error = systemError({ code, syscall }, "subject");
    assert.match(error.message, remedy);
    assert.match(error.message, new RegExp(`^subject: ${syscall} failed with ${code}; `));
    assert.equal(error.message.includes("\n"), false);
    assert.equal(error.code, code);
  });

test("an unknown failure says what happened and promises nothing", () => {
  const error = systemError({ code: "EIO", syscall: "write" }, "subject");
  assert.equal(error.message, "subject: write failed with EIO");
  assert.equal(error.remedy, undefined);
});

test("a result passes, a failure is thrown, and other errors go on as they are", () => {
  const result = { descriptor: 1 };
  assert.equal(succeed(result, "subject"), result);
  assert.throws(() => succeed({ code: "EPERM", syscall: "bind" }, "subject"), SystemError);
  const other = new RangeError("other");
  assert.equal(fromThrown(other, "subject"), other);
  assert.ok(fromThrown(Object.assign(new Error(), { code: "EPERM", syscall: "bind" }), "x") instanceof SystemError);
});
