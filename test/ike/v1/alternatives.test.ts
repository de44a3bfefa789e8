// "A reply with alternatives" (docs/requirements.md S51): what would be accepted, as notification data, and its diff.
import assert from "node:assert/strict";
import { test } from "node:test";
import { millis, octets, spi } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { alternativesDiff, decodeAlternatives, encodeAlternatives } from "#ike/v1/alternatives";
import { choosePhase1, type Phase1Policy, phase1Offer } from "#ike/v1/phase1-offers";
import { phase2Offer } from "#ike/v1/phase2-offers";
import type { Phase2Policy } from "#ike/v1/phase2-parameters";
import { mutator, seedOfRun } from "#test/fuzz/mutation";
import { ah, esp, ike } from "#test/ike/transforms";
import { hex } from "#test/vectors/load";
import { encodeChain } from "#wire/ike/v1/chain";
import { notify } from "#wire/ike/v1/notify";
import { IsakmpMethod, NotifyType, Protocol } from "#wire/ike/v1/numbers";
import type { SaPayload } from "#wire/ike/v1/sa";

const FOREVER = { time: millis(Number.POSITIVE_INFINITY), octets: octets(Number.POSITIVE_INFINITY) };

function policy(text: string): Phase1Policy {
  return { proposals: text.split(",").map(ike), methods: [IsakmpMethod.PRE_SHARED_KEY], lifetime: FOREVER };
}

function made(sa: SaPayload | undefined): SaPayload {
  assert.ok(sa);
  return sa;
}

function phase1(...texts: readonly string[]): SaPayload {
  return made(phase1Offer(texts.map(policy)));
}

function phase2(child: Pick<Phase2Policy["child"], "proposals" | "outerProposals">): SaPayload {
  const limit = Number.POSITIVE_INFINITY;
  const lifetime = {
    rekeyTime: FOREVER.time,
    lifeTime: FOREVER.time,
    randTime: millis(0),
    rekeyOctets: FOREVER.octets,
    lifeOctets: FOREVER.octets,
    randOctets: octets(0),
    rekeyPackets: limit,
    lifePackets: limit,
    randPackets: 0,
  };
  const whole = { mode: "tunnel", sessionPfs: "by-proposal", lifetime, ...child } as const;
  const wish = { child: whole, isakmpGroup: KeMethod.MODP_2048, encapsulation: "none" } as const;
  return made(phase2Offer(wish, { esp: spi(0), ah: spi(0) }));
}

test("S51: a refused offer is answered with what would be accepted, and the initiator shows the difference", () => {
  const sent = phase1("3des-sha1-modp1024,aes128-sha1-modp1024");
  const ours = [policy("aes256-aes128-sha256-modp2048")];
  const choice = choosePhase1(sent, ours);
  assert.ok(choice.kind === "refused" && choice.notify === NotifyType.NO_PROPOSAL_CHOSEN);
  const data = encodeAlternatives(made(phase1Offer(ours)), 1000);
  const payload = notify(choice.notify, Protocol.ISAKMP, new Uint8Array(0), data);
  const alternatives = decodeAlternatives(payload.data);
  assert.deepEqual(alternatives, phase1Offer(ours));
  assert.deepEqual(alternativesDiff(sent, made(alternatives)), {
    summary: "no common hash: we allow sha1; the peer offers sha256",
    lines: [
      "- 3des-sha1-modp1024 with pre-shared key",
      "- aes128-sha1-modp1024 with pre-shared key",
      "+ aes256-sha256-modp2048 with pre-shared key",
      "+ aes128-sha256-modp2048 with pre-shared key",
    ],
  });
  // What the peer named is taken when it is offered.
  assert.equal(choosePhase1(made(alternatives), ours).kind, "chosen");
});

test("S51: alternatives of quick mode name protocol, PFS group and mode; what both have is marked by nothing", () => {
  const sent = phase2({ proposals: [esp("aes128-sha1"), esp("aes128-sha256")], outerProposals: [] });
  const alternatives = phase2({ proposals: [esp("aes128-sha256"), esp("aes128gcm16-esn")], outerProposals: [] });
  assert.deepEqual(alternativesDiff(sent, alternatives).lines, [
    "- ESP aes128-sha1 tunnel",
    "  ESP aes128-sha256 tunnel",
    "+ ESP aes128gcm16-esn tunnel",
  ]);
  const pfs = phase2({ proposals: [esp("aes128-sha1-modp2048")], outerProposals: [ah("sha1")] });
  const { summary, lines } = alternativesDiff(phase2({ proposals: [esp("aes128-sha1")], outerProposals: [] }), pfs);
  assert.equal(summary, "no common PFS group: we allow none; the peer offers modp2048");
  assert.deepEqual(lines, [
    "- ESP aes128-sha1 tunnel",
    "+ AH sha1-modp2048 tunnel",
    "+ ESP aes128-sha1-modp2048 tunnel",
  ]);
});

test("alternatives never need more room than they are given; the best come first", () => {
  const sa = phase1("aes256-aes128-sha256-sha1-modp2048-modp1024");
  const whole = encodeChain([sa]).octets.length;
  for (const full of [sa, phase2({ proposals: [esp("aes256-aes128-sha1")], outerProposals: [ah("sha256-sha1")] })]) {
    let most = 0;
    for (let room = 0; room <= whole + 10; room++) {
      const data = encodeAlternatives(full, room);
      assert.ok(data.length <= room);
      const read = decodeAlternatives(data);
      if (read === undefined) {
        assert.equal(data.length, 0);
        continue;
      }
      const [first] = read.proposals;
      assert.deepEqual(first?.transforms, full.proposals[0]?.transforms.slice(0, first?.transforms.length));
      assert.ok((first?.transforms.length ?? 0) >= most);
      most = first?.transforms.length ?? 0;
    }
    assert.equal(most, full.proposals[0]?.transforms.length);
  }
});

test("notification data of any other kind is no alternative (RFC 2408 §3.14)", (t) => {
  const { octets: data } = encodeChain([phase1("aes128-sha1-modp2048")]);
  for (const other of ["", "00", "00000004", "80010001", "0000000c000000010000000200"]) {
    assert.equal(decodeAlternatives(hex(other)), undefined);
  }
  assert.equal(decodeAlternatives(Uint8Array.of(...data, 0)), undefined);
  const changes = mutator(seedOfRun((line) => t.diagnostic(line)));
  const sent = phase1("3des-sha1-modp1024");
  let read = 0;
  for (let i = 0; i < 5000; i++) {
    const alternatives = decodeAlternatives(changes.change([data], 0, 0));
    if (alternatives === undefined) continue;
    read++;
    const { summary, lines } = alternativesDiff(sent, alternatives);
    // Nothing of a stranger's octets but numbers gets into what people read.
    for (const line of [summary, ...lines]) assert.match(line, /^[\x20-\x7e…]{1,400}$/);
  }
  assert.ok(read > 100);
});
