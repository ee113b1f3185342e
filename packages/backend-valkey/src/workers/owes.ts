/** That an instance's leases are being handed back, as `shared/registries.lua` has it: then it goes, or it stays. */
export const owes = { andGoes: 1, andStays: 2 } as const
