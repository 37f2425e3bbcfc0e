const SYLLABLES =
  'ba be bi bo bu da de di do du fa fe fi ga ge go ka ke ki ko ku la le li lo lu ma me mi mo mu na ne no'.split(' ')

/** Random numbers that are the same at every run (xorshift32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** A whole number, 0 <= n < limit. */
  below(limit: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state % limit
  }

  word(): string {
    let word = ''
    for (let n = 2 + this.below(3); n > 0; n--) word += SYLLABLES[this.below(SYLLABLES.length)]
    return word
  }

  /** So many words. */
  text(words: number): string {
    return Array.from({ length: words }, () => this.word()).join(' ')
  }
}
