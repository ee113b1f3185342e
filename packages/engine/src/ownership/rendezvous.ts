/**
 * Rendezvous hashing: every engine computes alone, from the same list, which engine owns a partition. When one comes or
 * goes, only the partitions that it gains or leaves move.
 */
export function chooseOwner<Engine extends string>(
  partition: string,
  engines: readonly Engine[],
): Engine | undefined {
  let owner: Engine | undefined
  let best = -1
  for (const engine of engines) {
    const score = mix(`${partition} ${engine}`)
    // Equal scores are decided by the id, so that the order of the list never matters.
    if (score > best || (score === best && owner !== undefined && engine < owner)) {
      owner = engine
      best = score
    }
  }
  return owner
}

/** FNV-1a with a final mix (Murmur3's), 32 bits: without the mix ids that differ in their last digit score alike. */
function mix(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
