import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job, JobResult } from "#core/ike-job";
import { generateKey, agree as sharedWith } from "#crypto/key-agreement";
import { KeMethod } from "#crypto/key-exchange";
import { systemRandom } from "#io/system-random";
import { JobPool } from "#process/job-pool";
import { packJob, secretsOfResult, withOwnMemory } from "#process/job-secrets";

const DIE = 1;
const HANG = 2;
const ANSWER = 3;
const ENTRY = new URL(import.meta.resolve("#test/process/job-hand"));

function agree(method: number, secret: Uint8Array = new Uint8Array(32).fill(7)): Job {
  return { kind: "ke-agree", method, privateKey: secret, publicKey: new Uint8Array(32) };
}

function submit(pool: JobPool, work: Job): Promise<JobResult> {
  return new Promise((resolve) => pool.submit(work, resolve));
}

async function withPool(workers: number, work: (pool: JobPool) => Promise<void>): Promise<void> {
  const pool = new JobPool({ workers, entry: ENTRY });
  try {
    await work(pool);
  } finally {
    await pool.close();
  }
}

test("the gateway's own Worker, with the addon, agrees with node:crypto and bigint", async () => {
  const pool = new JobPool({ workers: 1 });
  try {
    for (const method of [KeMethod.CURVE25519, KeMethod.ECP_384, KeMethod.MODP_1024]) {
      const own = generateKey(method, systemRandom);
      const answer = await submit(pool, { kind: "ke-respond", method, publicKey: own.publicKey });
      assert.ok(answer.kind === "ke-respond");
      assert.deepEqual(sharedWith(method, own.privateKey, answer.publicKey), answer.shared);
    }
    const zeros: Job = { kind: "ke-respond", method: KeMethod.CURVE25519, publicKey: new Uint8Array(32) };
    assert.equal((await submit(pool, zeros)).kind, "failed");
  } finally {
    await pool.close();
  }
});

test("a secret arrives in the Worker, and nothing of it stays here", () =>
  withPool(1, async (pool) => {
    const secret = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
    const expected = Uint8Array.from(secret);
    assert.deepEqual(await submit(pool, agree(ANSWER, secret)), { kind: "ke-agree", shared: expected });
    assert.ok(secret.every((octet) => octet === 0));
  }));

test("a Worker that ends fails its jobs, and the next job gets a new one", () =>
  withPool(1, async (pool) => {
    const hung = submit(pool, agree(HANG));
    const died = submit(pool, agree(DIE));
    assert.equal((await hung).kind, "failed");
    assert.equal((await died).kind, "failed");
    assert.equal((await submit(pool, agree(ANSWER))).kind, "ke-agree");
    assert.deepEqual(pool.counters, { done: 1, failed: 2, busy: 0, deaths: 1, waiting: 0 });
  }));

test("the queue is bounded: what finds no room fails at once, its secret wiped", () =>
  withPool(1, async (pool) => {
    const forgotten = () => assert.fail("answered");
    for (let i = 0; i < 512; i++) pool.submit(agree(HANG), forgotten);
    const secret = new Uint8Array(32).fill(9);
    let early = true;
    const refused = new Promise<JobResult>((resolve) =>
      pool.submit(agree(ANSWER, secret), (result) => {
        assert.ok(!early, "answered before submit returned");
        resolve(result);
      }),
    );
    early = false;
    const result = await refused;
    assert.ok(result.kind === "failed" && result.why.startsWith("busy"));
    assert.ok(secret.every((octet) => octet === 0));
    assert.equal(pool.counters.busy, 1);
  }));

test("secrets in memory that others share are moved out of it before they cross", () => {
  const shelf = new Uint8Array(64).fill(5);
  const result = withOwnMemory({ kind: "ke-agree", shared: shelf.subarray(8, 16) });
  assert.deepEqual([...shelf.subarray(6, 18)], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5]);
  assert.deepEqual(secretsOfResult(result), [new Uint8Array(8).fill(5)]);
  const { work, secrets } = packJob(agree(ANSWER, shelf.subarray(20, 24)));
  assert.deepEqual(secrets, [new Uint8Array(4).fill(5)]);
  assert.ok(work.kind === "ke-agree" && work.privateKey === secrets[0]);
  assert.deepEqual([...shelf.subarray(19, 25)], [5, 0, 0, 0, 0, 5]);
});

test("the gateway's own Worker agrees on a key with us (RFC 7296 §1.2, x25519)", async () => {
  const pool = new JobPool({ workers: 1 });
  try {
    const method = 31;
    const ours = await submit(pool, { kind: "ke-generate", method });
    assert.ok(ours.kind === "ke-generate");
    const theirs = await submit(pool, { kind: "ke-respond", method, publicKey: ours.publicKey });
    assert.ok(theirs.kind === "ke-respond");
    const { privateKey } = ours;
    const agreed = await submit(pool, { kind: "ke-agree", method, privateKey, publicKey: theirs.publicKey });
    assert.deepEqual(agreed, { kind: "ke-agree", shared: theirs.shared });
    assert.ok(privateKey.length === 32 && privateKey.every((octet) => octet === 0));
    assert.equal((await submit(pool, { kind: "ke-generate", method: 9999 })).kind, "failed");
  } finally {
    await pool.close();
  }
});
