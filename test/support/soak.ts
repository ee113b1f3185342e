/** True in `soak` and `chaos`: the long form of the random, racing and killing tests. */
export const isSoak = process.env.FF_SOAK === '1'

/** How often a test repeats itself: the full number in a soak, else a fortieth of it. */
export function rounds(full: number): number {
  return isSoak ? full : Math.max(1, Math.ceil(full / 40))
}
