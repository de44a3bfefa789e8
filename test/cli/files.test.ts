import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { glob, readFile } from "#cli/files";

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
