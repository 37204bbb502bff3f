/**
 * What became of work: done, under way and the next must wait, or under way in an order that is
 * kept elsewhere (`queued`), so that the next may begin.
 */
export type Outcome = void | Promise<void> | { readonly queued: Promise<void> };

interface Work {
  readonly run: () => Outcome;
  readonly after: () => void;
}

/** Work of one link that must not overtake: at once while nothing waits, else one by one. */
export class LinkInbox {
  readonly #waiting: Work[] = [];
  #busy = false;

  /** `after` is called when `run` has settled, however. */
  add(run: Work["run"], after: Work["after"] = () => {}): void {
    this.#waiting.push({ run, after });
    if (!this.#busy) this.#next();
  }

  #next(): void {
    let work = this.#waiting.shift();
    while (work !== undefined) {
      const { run, after } = work;
      const running = run();
      if (running !== undefined && "queued" in running) {
        running.queued.then(after, after);
        work = this.#waiting.shift();
        continue;
      }
      if (running !== undefined) {
        this.#busy = true;
        // Who gave the work answers for its failure.
        running.then(after, after).finally(() => {
          this.#busy = false;
          this.#next();
        });
        return;
      }
      after();
      work = this.#waiting.shift();
    }
  }
}
