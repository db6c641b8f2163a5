// The wire between browser and server, which can be cut: connections break in the middle of whatever they carry.
import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Wire {
  static async to(port) {
    const wire = new Wire();
    Object.assign(wire, { ends: new Set(), broken: false, refused: 0 });
    wire.tcp = createServer((near) => wire.#join(near, port)).listen(0, "127.0.0.1");
    await once(wire.tcp, "listening");
    wire.origin = `http://localhost:${wire.tcp.address().port}`;
    return wire;
  }

  #join(near, port) {
    if (this.broken) { this.refused += 1; this.onRefused?.(); near.resetAndDestroy(); return; }
    const far = connect(port, "127.0.0.1");
    for (const end of [near, far]) {
      this.ends.add(end);
      end.on("error", () => {});
      end.on("close", () => { this.ends.delete(end); near.destroy(); far.destroy(); });
    }
    near.pipe(far).pipe(near);
  }

  /** Breaks every connection and refuses new ones. */
  cut() {
    this.broken = true;
    for (const end of this.ends) end.resetAndDestroy();
  }

  /** Settles once somebody has tried in vain to connect. */
  refusal() {
    return this.refused ? Promise.resolve() : new Promise((resolve) => { this.onRefused = resolve; });
  }

  mend() { this.broken = false; this.refused = 0; }

  close() {
    for (const end of this.ends) end.destroy();
    this.tcp.close();
  }
}
