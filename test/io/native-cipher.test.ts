// What only the native cipher has: key memory, libraries, the boundary.
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createCipher } from "#crypto/create-cipher";
import { systemRandom } from "#crypto/node-cipher";
import { Encryption } from "#crypto/transforms";
import { createNativeCipher } from "#io/native-cipher";
import { addon, newSlab } from "#test/crypto/providers";

function gcmKey(octet: number) {
  return {
    encryption: Encryption.AES_GCM_16,
    integrity: 0,
    encryptionKey: Uint8Array.from({ length: 20 }, (_, i) => (octet + i * 37) & 0xff),
    integrityKey: new Uint8Array(0),
    esn: false,
    direction: "seal",
  } as const;
}

/** Mappings that core dumps leave out ("dd"), where our key memory is, searched for octets. */
function findInKeyMemory(wanted: Uint8Array): number {
  const memory = openSync("/proc/self/mem", "r");
  let found = 0;
  let start = 0;
  let end = 0;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (range !== null) {
      start = Number.parseInt(range[1] ?? "0", 16);
      end = Number.parseInt(range[2] ?? "0", 16);
    } else if (/^VmFlags:.* dd/.test(line) && end - start <= 16 << 20 && start !== 0) {
      const octets = Buffer.alloc(end - start);
      if (readSync(memory, octets, 0, octets.length, start) === octets.length)
        for (let at = octets.indexOf(wanted); at >= 0; at = octets.indexOf(wanted, at + 1)) found++;
    } else if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) start = 0;
  }
  closeSync(memory);
  return found;
}

test("keys lie in memory that dumps leave out, and are wiped at removal, replacement and destruction", (t) => {
  const cipher = createNativeCipher(addon, newSlab(4096), 8);
  // Our own GCM and that of ipsec-mb keep, as round key 0, the key itself; OpenSSL's contexts are on its own heap.
  const wanted = (octet: number) => gcmKey(octet).encryptionKey.subarray(0, 16);
  const { vaes, ipsecMb } = cipher.memory();
  if (vaes === undefined && ipsecMb === undefined)
    t.skip("neither VAES nor ipsec-mb here: OpenSSL keeps and cleanses expanded keys itself");
  else {
    cipher.install(0, gcmKey(1));
    cipher.install(1, gcmKey(2));
    cipher.install(2, gcmKey(3));
    for (const octet of [1, 2, 3]) assert.ok(findInKeyMemory(wanted(octet)) >= 1, `key ${octet} is there`);
    cipher.remove(0);
    assert.equal(findInKeyMemory(wanted(1)), 0, "removed");
    cipher.install(1, gcmKey(4));
    assert.equal(findInKeyMemory(wanted(2)), 0, "replaced");
    cipher.destroy();
    assert.equal(findInKeyMemory(wanted(3)), 0, "destroyed");
    assert.equal(findInKeyMemory(wanted(4)), 0, "destroyed");
  }
});

test("key memory grows with keys, not with slots, and is given back", () => {
  const cipher = createNativeCipher(addon, newSlab(4096), 100_000);
  const empty = cipher.memory().octets;
  assert.ok(empty <= 1 << 20);
  for (let slot = 0; slot < 1000; slot++) cipher.install(slot * 7, gcmKey(slot & 0xff));
  const full = cipher.memory().octets;
  assert.ok(full - empty <= 2048 * 1000, `${(full - empty) / 1000} octets a key`);
  assert.ok(cipher.memory().lockedOctets <= full);
  for (let slot = 0; slot < 1000; slot++) cipher.remove(slot * 7);
  // One empty chunk a size of block may stay.
  assert.ok(cipher.memory().octets <= empty + (1 << 18));
});

test("the description names the libraries, and OpenSSL alone can be forced", () => {
  const slab = newSlab(4096);
  const forced = createNativeCipher(addon, slab, 2, { libraries: "openssl" });
  assert.match(forced.description, /^native \(openssl \d+\.\d+\.\d+\)$/);
  forced.install(0, gcmKey(1));
  assert.match(forced.implementation(0) ?? "", /^openssl \d/);
  assert.equal(forced.implementation(1), undefined);
  const free = createNativeCipher(addon, slab, 2);
  free.install(0, gcmKey(1));
  const { vaes, ipsecMb } = free.memory();
  assert.equal(free.implementation(0), vaes ?? ipsecMb ?? forced.implementation(0));
});

test("the slab must lie over a SharedArrayBuffer: nothing can detach it", () => {
  assert.throws(() => createNativeCipher(addon, new Uint8Array(4096), 1), /SharedArrayBuffer/);
});

test("createCipher gives the provider asked for, and says so when the addon is missing", () => {
  const setup = { slab: newSlab(4096), capacity: 1, random: systemRandom };
  const native = (slab: Uint8Array, capacity: number) => createNativeCipher(addon, slab, capacity);
  for (const provider of ["native", "node", "noble"] as const)
    assert.equal(createCipher(provider, { ...setup, native }).provider, provider);
  assert.throws(() => createCipher("native", { ...setup, native: undefined }), /not built; run "npm run build:native"/);
});

test("each Worker has ciphers of its own, and dies with keys installed", async () => {
  const code = `
    const { createRequire } = require("node:module");
    const { workerData } = require("node:worker_threads");
    const addon = createRequire(workerData)("./build/Release/esplanade.node");
    const cipher = new addon.Cipher(new Uint8Array(new SharedArrayBuffer(4096)), 4, true);
    if (!cipher.install(0, 20, 0, new Uint8Array(20), new Uint8Array(0), false, true)) throw new Error("install");
  `;
  const root = new URL("../../../package.json", import.meta.url).href;
  const exits = [1, 2, 3].map(
    () =>
      new Promise<number>((resolve, reject) => {
        const worker = new Worker(code, { eval: true, workerData: root });
        worker.on("error", reject);
        worker.on("exit", resolve);
      }),
  );
  assert.deepEqual(await Promise.all(exits), [0, 0, 0]);
});
