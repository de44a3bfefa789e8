/** Offers and answers of strangers: nothing throws, nothing but what was offered and is configured is agreed on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WireError } from "#core/errors";
import { millis, octets, spi } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { childSuiteName, ikeSuiteName } from "#ike/suite";
import { alternativesDiff, encodeAlternatives } from "#ike/v1/alternatives";
import { checkPhase1Answer, choosePhase1, phase1Offer } from "#ike/v1/phase1-offers";
import { checkPhase2Answer, choosePhase2, phase2Answer, phase2Offer } from "#ike/v1/phase2-offers";
import type { Phase2Policy } from "#ike/v1/phase2-parameters";
import { mutator, seedOfRun } from "#test/fuzz/mutation";
import { ah, esp, ike } from "#test/ike/transforms";
import { payload } from "#test/wire/ike/v1/random-payloads";
import { decodeChain, encodeChain } from "#wire/ike/v1/chain";
import { IsakmpMethod, PayloadType } from "#wire/ike/v1/numbers";
import type { SaPayload } from "#wire/ike/v1/sa";

const ROUNDS = 5000;
const LIFETIME = { time: millis(3_600_000), octets: octets(100_000_000) };
const PHASE1 = {
  proposals: [ike("aes128-3des-sha256-sha1-modp2048-modp1024")],
  methods: [IsakmpMethod.PRE_SHARED_KEY, IsakmpMethod.RSA_SIGNATURES],
  lifetime: LIFETIME,
};
const PHASE1_SUITE = /^(aes128|3des)-(sha256|sha1)-(modp2048|modp1024)$/;
const lifetime = {
  rekeyTime: LIFETIME.time,
  lifeTime: LIFETIME.time,
  randTime: millis(0),
  rekeyOctets: LIFETIME.octets,
  lifeOctets: LIFETIME.octets,
  randOctets: octets(0),
  rekeyPackets: Number.POSITIVE_INFINITY,
  lifePackets: Number.POSITIVE_INFINITY,
  randPackets: 0,
};
const PHASE2: Phase2Policy = {
  child: {
    mode: "tunnel",
    sessionPfs: "by-proposal",
    lifetime,
    proposals: [esp("aes128-3des-sha256-sha1-modp2048-esn-noesn")],
    outerProposals: [ah("sha256-sha1")],
  },
  isakmpGroup: KeMethod.MODP_2048,
  encapsulation: "none",
};
const PHASE2_SUITE = /^((aes128|3des)-)?(sha256|sha1)-modp2048(-esn)?$/;
const OWN = { esp: spi(0x1000), ah: spi(0x2000) };
const THEIRS = { esp: spi(0x3000), ah: spi(0x4000) };

function made(sa: SaPayload | undefined): SaPayload {
  assert.ok(sa);
  return sa;
}

/** One to three octets changed; those that can still be read. */
function* mutations(sa: SaPayload, say: (line: string) => void): Generator<SaPayload> {
  const { below } = mutator(seedOfRun(say));
  const { octets: original } = encodeChain([sa]);
  for (let i = 0; i < ROUNDS; i++) {
    const changed = Uint8Array.from(original);
    for (let left = 1 + below(3); left > 0; left--) changed[below(changed.length)] = below(below(2) === 0 ? 256 : 8);
    try {
      for (const one of decodeChain(PayloadType.SA, changed)) if (one.kind === "SA") yield one;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  }
}

function transformsOf({ proposals }: SaPayload): readonly unknown[] {
  return proposals.flatMap(({ number, protocol, transforms }) => transforms.map((one) => ({ number, protocol, one })));
}

function isPart(answer: SaPayload, offered: SaPayload): void {
  for (const one of transformsOf(answer)) {
    assert.ok(transformsOf(offered).some((other) => JSON.stringify(other) === JSON.stringify(one)));
  }
}

test("S50: phase 1: mutated offers: what is chosen was offered so and is configured; lives only get shorter", (t) => {
  const sent = made(
    phase1Offer([{ ...PHASE1, proposals: [ike("aes128-sha256-modp2048")], methods: [IsakmpMethod.PRE_SHARED_KEY] }]),
  );
  const outcomes = { chosen: 0, refused: 0, agreed: 0, modified: 0 };
  for (const sa of mutations(sent, (line) => t.diagnostic(line))) {
    const choice = choosePhase1(sa, [PHASE1]);
    outcomes[choice.kind]++;
    if (choice.kind === "chosen") {
      assert.match(ikeSuiteName(choice.suite), PHASE1_SUITE);
      assert.ok(PHASE1.methods.some((method) => method === choice.method));
      assert.ok(choice.lifetime.time <= LIFETIME.time && choice.lifetime.octets <= LIFETIME.octets);
      isPart(choice.answer, sa);
      // Whoever sent the offer that we saw takes our answer.
      assert.equal(checkPhase1Answer(sa, choice.answer).kind, "agreed");
      // Whoever sent the other one notices what happened on the way.
      const checked = checkPhase1Answer(sent, choice.answer);
      if (checked.kind === "agreed") outcomes.agreed++;
      else outcomes.modified++;
      if (checked.kind === "agreed") assert.equal(ikeSuiteName(checked.suite), ikeSuiteName(choice.suite));
    }
    alternativesDiff(sent, sa);
    assert.ok(encodeAlternatives(sa, 200).length <= 200);
  }
  t.diagnostic(JSON.stringify(outcomes));
  assert.ok(outcomes.chosen > 100 && outcomes.refused > 100 && outcomes.agreed > 20 && outcomes.modified > 20);
});

test("S50: phase 2: mutated offers of AH over ESP: what is chosen was offered so and is configured", (t) => {
  const child = { ...PHASE2.child, proposals: [esp("aes128-sha256-modp2048")], outerProposals: [ah("sha256")] };
  const sent = made(phase2Offer({ ...PHASE2, child }, THEIRS));
  const outcomes = { chosen: 0, refused: 0, agreed: 0, modified: 0 };
  for (const sa of mutations(sent, (line) => t.diagnostic(line))) {
    const choice = choosePhase2(sa, PHASE2);
    outcomes[choice.kind]++;
    if (choice.kind === "chosen") {
      assert.match(childSuiteName(choice.inner.suite), PHASE2_SUITE);
      assert.equal(choice.inner.suite.protocol, "esp");
      assert.equal(choice.outerAh?.suite.protocol, "ah");
      assert.equal(choice.group, KeMethod.MODP_2048);
      const answer = phase2Answer(choice, OWN);
      isPart(answer, sa);
      assert.equal(checkPhase2Answer(sa, answer, PHASE2).kind, "agreed");
      const checked = checkPhase2Answer(sent, answer, PHASE2);
      if (checked.kind === "agreed") outcomes.agreed++;
      else outcomes.modified++;
    }
    alternativesDiff(sent, sa);
  }
  t.diagnostic(JSON.stringify(outcomes));
  assert.ok(outcomes.chosen > 100 && outcomes.refused > 100 && outcomes.agreed > 20 && outcomes.modified > 20);
});

test("any SA payload at all is refused or chosen, as offer and as answer", () => {
  const sent = made(phase1Offer([PHASE1]));
  const quick = made(phase2Offer(PHASE2, THEIRS));
  fc.assert(
    fc.property(payload, (sa) => {
      if (sa.kind !== "SA") return;
      assert.equal(choosePhase1(sa, [PHASE1]).kind, "refused");
      assert.equal(choosePhase2(sa, PHASE2).kind, "refused");
      assert.equal(checkPhase1Answer(sent, sa).kind, "refused");
      assert.equal(checkPhase2Answer(quick, sa, PHASE2).kind, "refused");
    }),
    { numRuns: 2000 },
  );
});
