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
    if (this.#busy || this.#waiting.length > 0) this.#waiting.push({ run, after });
    else this.#start(run, after);
  }

  #start(run: Work["run"], after: Work["after"]): void {
    const running = run();
    if (running === undefined) return after();
    if ("queued" in running) return void running.queued.then(after, after);
    this.#busy = true;
    // Who gave the work answers for its failure.
    running.then(after, after).finally(() => {
      this.#busy = false;
      while (!this.#busy) {
        const work = this.#waiting.shift();
        if (work === undefined) return;
        this.#start(work.run, work.after);
      }
    });
  }
}
