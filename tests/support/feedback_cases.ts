/** Transport-wide feedback behind its reference time, and the arrivals that it tells of. */
export interface FeedbackCase {
  readonly name: string;
  readonly count: number;
  /** Chunks and deltas. */
  readonly rest: readonly number[];
  /** In ms, with the reference time 1. */
  readonly times: readonly (number | null)[];
}

export const FEEDBACK_CASES: readonly FeedbackCase[] = [
  {
    name: "a run of small deltas",
    count: 3,
    rest: [0b0010_0000, 3, 4, 4, 8],
    times: [65, 66, 68],
  },
  {
    name: "a run of lost packets, then received ones",
    count: 4,
    rest: [0, 2, 0b0010_0000, 2, 0, 4],
    times: [null, null, 64, 65],
  },
  {
    name: "a vector of single bits, longer than what is reported",
    count: 5,
    rest: [0b1010_1100, 0, 4, 4, 4],
    times: [65, null, 66, 67, null],
  },
  {
    name: "a vector of two bits with a delta backwards in time",
    count: 3,
    rest: [0b1101_0010, 0, 40, 0xff, 0xf0],
    times: [74, null, 70],
  },
];
