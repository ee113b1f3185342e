/**
 * The shortest time that a step of the census takes. The work itself would be done in a blink, and nobody could watch
 * it, interrupt it half-way, or see a race being won.
 */
export const paceMs = Number(process.env.CENSUS_PACE_MS ?? 350)
