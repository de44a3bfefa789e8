import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { glob, readFile, relativeTo } from "#cli/files";

const NAMES = ["a.conf", "b.conf", "b.txt", ".hidden.conf", "x[1].conf", "sub/c.conf", "sub/deep/d.conf", "+$^.conf"];

test("patterns match as glob(7) says: sorted, within one folder, no hidden files, nothing for what is not there", () => {
  const folder = mkdtempSync(join(tmpdir(), "glob-"));
  try {
    mkdirSync(join(folder, "sub/deep"), { recursive: true });
    for (const name of NAMES) writeFileSync(join(folder, name), "");
    const found = (pattern: string) => glob(join(folder, pattern)).map((path) => path.slice(folder.length + 1));
    assert.deepEqual(found("*.conf"), ["+$^.conf", "a.conf", "b.conf", "x[1].conf"]);
    assert.deepEqual(found("?.conf"), ["a.conf", "b.conf"]);
    assert.deepEqual(found("[!a].conf"), ["b.conf"]);
    assert.deepEqual(found("[a-b].*"), ["a.conf", "b.conf", "b.txt"]);
    assert.deepEqual(found("*/*.conf"), ["sub/c.conf"]);
    assert.deepEqual(found("*/deep/d.conf"), ["sub/deep/d.conf"]);
    assert.deepEqual(found(".*.conf"), [".hidden.conf"]);
    assert.deepEqual(found("a.conf"), ["a.conf"]);
    assert.deepEqual(found("+$^.*"), ["+$^.conf"]);
    assert.deepEqual(found("none/*.conf"), []);
    assert.deepEqual(found("[z-a]*.conf"), []);
    assert.deepEqual(found("none.conf"), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a credential is read where the service manager put it, and what is wrong is told (systemd.exec(5))", () => {
  const folder = mkdtempSync(join(tmpdir(), "credentials-"));
  const { CREDENTIALS_DIRECTORY: former } = process.env;
  try {
    writeFileSync(join(folder, "hq.psk"), "secret", { mode: 0o640 });
    process.env["CREDENTIALS_DIRECTORY"] = folder;
    const { octets, mode } = readFile("credential:hq.psk");
    // systemd gives the service's user access by an ACL, which shows as a group that may read.
    assert.deepEqual([new TextDecoder().decode(octets), mode], ["secret", 0o400]);
    assert.equal(relativeTo("/etc/e/hq.conf", "credential:hq.psk"), "credential:hq.psk");
    assert.throws(
      () => readFile("credential:other"),
      /credential:other: .*ENOENT; .*the unit needs LoadCredential=other:PATH/,
    );
    for (const name of ["../hq.psk", "..", "", "a b"])
      assert.throws(() => readFile(`credential:${name}`), /EINVAL; take letters/, name);
    delete process.env["CREDENTIALS_DIRECTORY"];
    assert.throws(() => readFile("credential:hq.psk"), /no service manager gave .* set CREDENTIALS_DIRECTORY/);
  } finally {
    if (former !== undefined) process.env["CREDENTIALS_DIRECTORY"] = former;
    rmSync(folder, { recursive: true });
  }
});

test("only regular files of bounded size are read: a pipe without a writer does not stop a gateway, a device does not fill it", () => {
  const folder = mkdtempSync(join(tmpdir(), "files-"));
  try {
    const file = join(folder, "hq.conf");
    writeFileSync(file, "connections { }\n");
    chmodSync(file, 0o640);
    const { octets, mode } = readFile(file);
    assert.deepEqual([new TextDecoder().decode(octets), mode], ["connections { }\n", 0o640]);
    const pipe = join(folder, "pipe");
    assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
    const says = (path: string, message: string) =>
      assert.throws(() => readFile(path), { message: `${path}: ${message}` });
    for (const path of [pipe, "/dev/zero", "/dev/null"])
      says(path, "read failed with EINVAL; it is a pipe, socket or device: name a regular file");
    says(folder, "read failed with EISDIR; it is a directory: name a file in it");
    says(join(folder, "none"), "open failed with ENOENT; there is no such file: check the path");
    truncateSync(file, 64 * 1024 * 1024 + 1);
    says(file, "read failed with EFBIG; it has 67108865 octets where 67108864 are the most: check the path");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
