/**
 * One lane: both directions of the data plane over one port, without I/O of its own. The caller waits; each step moves
 * one batch to its end. The same object runs in a Worker, in tests and in benchmarks.
 */
import * as drops from "#core/drop";
import * as eventRing from "#core/event-ring";
import * as slab from "#core/slab";
import * as sas from "#ipsec/sa";
import { Inbound } from "./inbound.ts";
import type { LaneCommand } from "./lane-command.ts";
import { createLaneContext, type LaneContext, type LaneParts } from "./lane-context.ts";
import { LaneSas } from "./lane-sas.ts";
import { Outbound } from "./outbound.ts";
import { PathErrors } from "./path-errors.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { LaneEvent } = eventRing;
const { HEADROOM, READY_ERROR, READY_SOCKET, READY_TUN, READY_WAKE, ROW_STRIDE, Row, VERDICT_GO } = slab;
const { SA_COLUMNS, SA_NUMBERS, Sa, SaNumber, SaState } = sas;

/** Padding (15), trailer (2) and ICV (32) behind a packet, without TFC; rounded up. */
const TAILROOM = 64;
/** How often limits of idle SAs and keepalives are looked at, in milliseconds. */
const TIMER_INTERVAL = 1000;
const KEEPALIVE_OCTET = 0xff;

export class LaneEngine {
  readonly context: LaneContext;
  readonly #out: Outbound;
  readonly #in: Inbound;
  readonly #sas: LaneSas;
  readonly #errors: PathErrors;
  #nextTimers = 0;
  #stopped = false;

  constructor(parts: LaneParts) {
    this.context = createLaneContext(parts);
    this.#sas = new LaneSas(this.context);
    this.#out = new Outbound(this.context);
    this.#in = new Inbound(this.context, this.#sas.sad);
    this.#errors = new PathErrors(this.context, this.#sas);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** When `timers` wants to be called, in milliseconds of the clock; undefined = nothing to watch. */
  get nextTimeout(): number | undefined {
    return this.#watched ? this.#nextTimers : undefined;
  }

  get #watched(): boolean {
    return this.#sas.watched || !this.context.held.empty;
  }

  command(command: LaneCommand, now: number): void {
    switch (command.kind) {
      case "policies":
        this.context.policies.swap(command.snapshot);
        this.context.held.renumber(command.snapshot.formerIndex);
        // What waits may be another policy's now, which may have an SA.
        for (const policy of this.context.held.policies) this.#release(policy, now);
        break;
      case "install":
        this.#sas.install(command.installs, command.keys, now);
        break;
      case "adopt":
        this.#sas.adopt(command.slots, command.keys);
        for (const [policy, slot] of command.outbound.entries()) this.context.policies.setOutbound(policy, slot);
        break;
      case "use":
        if (this.context.succession.use(command.policy, command.slot)) this.#release(command.policy, now);
        break;
      case "succeed":
        this.#succeed(command.slot, command.successor, now);
        break;
      case "retire":
        if (this.context.succession.end(command.slot) < 0) this.context.policies.clearOutbound(command.slot);
        break;
      case "move":
        this.#sas.move(command.moves);
        break;
      case "remove":
        this.#sas.remove(command.slots);
        break;
      case "path-mtu":
        this.#sas.setPathMtu(command.slot, command.mtu, command.pathMtu);
        break;
      case "path-error":
        this.#errors.consider(command.slot, command);
        break;
      case "dummy":
        this.#sendDummy(command.slot, command.octets, now);
        break;
      case "stop":
        this.#stopped = true;
        break;
      default:
        command satisfies never;
    }
    this.context.events.push(LaneEvent.DONE, -1, command.id);
  }

  /** One batch for each bit of `LanePort.wait`'s answer. */
  run(ready: number, now: number): void {
    this.context.events.flush();
    if ((ready & READY_ERROR) !== 0) this.#errors.take();
    if ((ready & READY_TUN) !== 0) this.outboundStep(now);
    // What others were given came before what waits in the sockets.
    if ((ready & READY_WAKE) !== 0) this.takeGiven(now);
    const sockets = this.context.sockets.length;
    for (let i = 0; i < sockets; i++) if ((ready & (READY_SOCKET << i)) !== 0) this.inboundStep(i, now);
    if (this.#watched && now >= this.#nextTimers) this.timers(now);
  }

  /** Returns the packets read from TUN. */
  outboundStep(now: number): number {
    const read = this.context.port.readTun(TAILROOM + this.#sas.largestTfc);
    if (read > 0) this.#outboundBatch(read, now);
    return read;
  }

  #outboundBatch(read: number, now: number): void {
    const { port, cipher, memory, scratch } = this.context;
    scratch.reset();
    cipher.seal(memory.out, this.#out.process(read, now));
    const count = this.#out.finish(now);
    port.send(0, count);
    this.#countDrops(memory.out, count);
    if (this.#out.replies > 0) port.deliver(0, this.#out.replies);
  }

  /** What waited for an SA of this policy leaves in the order it came; what still fits none waits again. */
  #release(policy: number, now: number): void {
    const { held } = this.context;
    held.expire(now);
    for (let left = held.count(policy); left > 0; ) {
      const count = held.take(policy, left, TAILROOM + this.#sas.largestTfc);
      if (count === 0) return;
      left -= count;
      this.#outboundBatch(count, now);
    }
  }

  /** The SA may have ended before its successor came: then that one takes over now. */
  #succeed(slot: number, successor: number, now: number): void {
    const { succession, policies, table } = this.context;
    succession.set(slot, successor);
    if (successor < 0 || table.state(slot) !== SaState.DEAD) return;
    const next = succession.next(slot);
    if (next >= 0) policies.eachOf(next, (policy) => this.#release(policy, now));
  }

  /** Returns the datagrams received. */
  inboundStep(socket: number, now: number): number {
    const count = this.context.port.receive(socket);
    if (count > 0) this.#inboundBatch(count, now);
    return count;
  }

  /** Datagrams of our SAs that came to other lanes. */
  takeGiven(now: number): void {
    this.context.mesh.takeAll(this.context.memory, (count) => this.#inboundBatch(count, now));
  }

  #inboundBatch(count: number, now: number): void {
    const { port, memory, scratch } = this.context;
    scratch.reset();
    this.#in.process(count, now);
    port.deliver(0, count);
    this.#countDrops(memory.in, count);
  }

  /** Limits of SAs that carry nothing, and NAT keepalives (RFC 3948 §4). */
  timers(now: number): void {
    this.#nextTimers = now + TIMER_INTERVAL;
    this.context.held.expire(now);
    const { numbers, columns } = this.context.table;
    for (const slot of this.#sas.installed) {
      const row = slot * SA_NUMBERS;
      const sa = slot * SA_COLUMNS;
      if (now >= (numbers[row + SaNumber.HARD_TIME] ?? 0)) this.context.limits.hard(slot, LaneEvent.HARD);
      else if (now >= (numbers[row + SaNumber.SOFT_TIME] ?? 0)) this.context.limits.soft(slot);
      const interval = columns[sa + Sa.KEEPALIVE] ?? 0;
      if (interval > 0 && now - (numbers[row + SaNumber.LAST_USED] ?? 0) >= interval) this.#sendKeepalive(slot, now);
    }
  }

  #sendKeepalive(slot: number, now: number): void {
    const { memory, scratch, table, port } = this.context;
    scratch.reset();
    const at = scratch.take(1);
    memory.slab[at] = KEEPALIVE_OCTET;
    this.#fillRow(slot, at, 1);
    table.numbers[slot * SA_NUMBERS + SaNumber.LAST_USED] = now;
    port.send(0, 1);
    this.#countDrops(memory.out, 1);
  }

  #sendDummy(slot: number, octets: number, now: number): void {
    const { memory, scratch, port, cipher } = this.context;
    scratch.reset();
    const at = scratch.take(HEADROOM + octets + TAILROOM + this.#sas.largestTfc);
    const state = this.context.table.state(slot);
    if (at < 0 || (state !== SaState.MATURE && state !== SaState.DYING)) return;
    const payload = at + HEADROOM;
    memory.slab.fill(0, payload, payload + octets);
    this.#fillRow(slot, payload, octets);
    const life = this.#out.dummy(0, slot, payload, octets, now);
    if (life < 0) memory.out[Row.VERDICT] = life;
    cipher.seal(memory.out, 1);
    this.#out.finish(now);
    port.send(0, 1);
    this.#countDrops(memory.out, 1);
  }

  #fillRow(slot: number, offset: number, length: number): void {
    const rows = this.context.memory.out;
    rows.fill(0, 0, ROW_STRIDE);
    rows[Row.OFFSET] = offset;
    rows[Row.LENGTH] = length;
    rows[Row.SLOT] = slot;
    rows[Row.VERDICT] = VERDICT_GO;
    rows[Row.SOCKET] = this.context.table.column(slot, Sa.SOCKET);
  }

  /** Every drop of a batch, by whomever, is counted here: once a reason and once an SA. */
  #countDrops(rows: Int32Array, count: number): void {
    const { drops } = this.context;
    for (let row = 0, end = count * ROW_STRIDE; row < end; row += ROW_STRIDE) {
      const verdict = rows[row + Row.VERDICT] ?? 0;
      if (verdict >= 0) continue;
      drops[-verdict] = (drops[-verdict] ?? 0) + 1;
      const slot = rows[row + Row.SLOT] ?? -1;
      if (slot < 0 || verdict === Drop.DUMMY) continue;
      this.#countOfSa(slot, SaNumber.DROPS);
      if (verdict === Drop.REPLAYED || verdict === Drop.OUTSIDE_WINDOW) this.#countOfSa(slot, SaNumber.REPLAYS);
      if (verdict === Drop.SELECTOR_MISMATCH) this.#countOfSa(slot, SaNumber.MISFITS);
    }
  }

  #countOfSa(slot: number, column: number): void {
    const { numbers } = this.context.table;
    const at = slot * SA_NUMBERS + column;
    numbers[at] = (numbers[at] ?? 0) + 1;
  }
}
